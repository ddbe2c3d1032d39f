/** `1 check`, `2 checks`, `0 releases`. */
export function count(many: number, one: string): string {
  return `${many} ${one}${many === 1 ? "" : "s"}`;
}
