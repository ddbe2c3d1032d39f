import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { postOf, sectionCount, textBetween, wordsIn } from "../../src/drills/eviction/post.ts";
import { chunkWords, tellStory, variants } from "../../src/drills/eviction/story.ts";

test("a post is the same text wherever its writing is cut", () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.array(fc.nat(2_500), { maxLength: 20 }), (of, cuts) => {
      const post = postOf(of);
      const at = [0, ...cuts.filter((cut) => cut < post.words), post.words].toSorted(
        (one, other) => one - other,
      );
      const parts = at.slice(1).map((to, index) => textBetween(post, at[index] ?? 0, to));
      assert.equal(parts.join(""), post.text);
      for (const [index, part] of parts.entries()) {
        assert.equal(wordsIn(part), (at[index + 1] ?? 0) - (at[index] ?? 0));
      }
      assert.equal(post.sections.length, sectionCount);
      assert.equal(post.sections.at(-1)?.endsAfter, post.words);
    }),
  );
});

test("a story's kill lands where its writer comes by, and every variant is told by some seed", () => {
  const told = new Set<string>();
  for (let each = 0; each < 200; each++) {
    const { kill, post, letters, variant } = tellStory(each, null);
    told.add(variant);
    const section = Number(/section (\d)/.exec(kill.point.of)?.[1] ?? 1);
    const ends = post.sections[section - 1]?.endsAfter ?? 0;
    const begins = post.sections[section - 2]?.endsAfter ?? 0;
    assert.equal(kill.words % chunkWords, 0);
    assert.ok(kill.words < ends - begins, `seed ${each}`);
    assert.ok(kill.savedWords === null || kill.savedWords < kill.words, `seed ${each}`);
    if (kill.point.of === "reply") {
      assert.ok(
        letters.some(({ type }) => type === "question"),
        `seed ${each}`,
      );
    }
  }
  assert.deepEqual([...told].sort(), [...variants].sort());
});
