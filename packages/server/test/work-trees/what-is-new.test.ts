import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isConverted } from "../../src/work-trees/converted.ts";
import { asText, endOf, whatIsNew, wordsIn } from "../../src/work-trees/what-is-new.ts";

const word = fc.constantFrom("one", "two", "three", "日本", "x");
const line = fc.array(word, { maxLength: 6 }).map((words) => words.join(" "));
const post = fc
  .array(line, { maxLength: 12 })
  .map((lines) => lines.map((each) => `${each}\n`).join(""));

test("what is appended to any post is what is new in it, whether as lines or within the last one", () => {
  fc.assert(
    fc.property(post, fc.array(word, { minLength: 1, maxLength: 8 }), (before, words) => {
      const added = words.join(" ");
      assert.equal(whatIsNew(before, `${before}${added}\n`).newWords, words.length);
      const open = before.replace(/\n$/, " unfinished");
      const news = whatIsNew(open, `${open} ${added}`);
      assert.deepEqual([news.newWords, news.newLines, news.excerpt], [words.length, 1, added]);
    }),
  );
});

test("of any two texts the new lines are a line diff's, and nothing is new in the same one", () => {
  fc.assert(
    fc.property(post, post, (before, now) => {
      const { newLines, newWords, lines, words } = whatIsNew(before, now);
      const count = (text: string) => text.split("\n").length - 1;
      assert.equal(lines, count(now));
      assert.equal(words, wordsIn(now));
      assert.ok(newLines <= lines && newWords <= words);
      assert.ok(newLines >= lines - count(before), "lines that were not there cannot be fewer");
      assert.deepEqual(whatIsNew(now, now).newLines, 0);
      assert.equal(whatIsNew(null, now).newWords, words);
      // A multiset of lines cannot be had from the one before with fewer new ones.
      const had = new Map<string, number>();
      for (const each of before.split("\n").slice(0, -1)) had.set(each, (had.get(each) ?? 0) + 1);
      let least = 0;
      for (const each of now.split("\n").slice(0, -1)) {
        const left = had.get(each) ?? 0;
        if (left === 0) least += 1;
        else had.set(each, left - 1);
      }
      assert.ok(newLines >= least, JSON.stringify({ before, now }));
    }),
  );
});

test("a line in the middle is told from those around it, and a huge rewrite is still answered", () => {
  const lines = Array.from({ length: 4_000 }, (_, n) => `line ${n}`);
  const edited = lines.toSpliced(2_000, 1, "another one here");
  assert.equal(whatIsNew(lines.join("\n"), edited.join("\n")).newLines, 1);
  const turned = lines.toReversed();
  // Its own work, and not what the machine does beside it.
  const began = process.cpuUsage();
  assert.equal(whatIsNew(lines.join("\n"), [...turned, "new"].join("\n")).lines, 4_001);
  assert.ok(process.cpuUsage(began).user < 5_000_000);
});

test("an excerpt is the end of what is new, and never half a character", () => {
  const { excerpt } = whatIsNew("", `${"a ".repeat(2_000)}the end 🙂`);
  assert.ok(excerpt.endsWith("the end 🙂") && excerpt.length <= 1_000);
  assert.equal(endOf("🙂🙂", 3), "🙂");
  assert.equal(endOf("🙂🙂", 1), "");
});

test("what is no text is not counted", () => {
  assert.equal(asText(Buffer.from([0x61, 0, 0x62])), null);
  assert.equal(asText(Buffer.from([0xff, 0xfe])), null);
  assert.equal(asText(Buffer.from("é")), "é");
});

test("only what git itself would have written is taken for what is committed", () => {
  const of = (text: string) => Buffer.from(text);
  assert.equal(isConverted(of("a\r\nb\r\n"), of("a\nb\n")), true);
  assert.equal(isConverted(of("a\r\nc\r\n"), of("a\nb\n")), false);
  assert.equal(isConverted(of("a\nb\n"), of("a\r\nb\r\n")), false);
  const pointer = (digest: string, size: number) =>
    of(`version https://git-lfs.github.com/spec/v1\noid sha256:${digest}\nsize ${size}\n`);
  const digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assert.equal(isConverted(of("abc"), pointer(digest, 3)), true);
  assert.equal(isConverted(of("abd"), pointer(digest, 3)), false);
  assert.equal(isConverted(of("abc"), pointer(digest, 4)), false);
});
