/** Times of documents: microseconds since 1970, because two versions may fall into one millisecond. */
import { parseMoment } from "../../duration.ts";

/** ISO 8601 in UTC; with microseconds only where there are some. */
export function formatInstant(atUs: number): string {
  const text = new Date(Math.floor(atUs / 1_000)).toISOString();
  const rest = atUs % 1_000;
  return rest === 0 ? text : `${text.slice(0, -1)}${String(rest).padStart(3, "0")}Z`;
}

/** An ISO time, down to microseconds, or a span back from now such as 2h. */
export function parseInstant(text: string, now: Date, path: string): number {
  const fine = /^(.+\.\d{3})(\d{3})(Z|[+-]\d\d:\d\d)$/.exec(text);
  const at = parseMoment(fine === null ? text : `${fine[1]}${fine[3]}`, now, path);
  return at.getTime() * 1_000 + (fine === null ? 0 : Number(fine[2]));
}
