// The tables of characters are full of short cuts; each entry has to be what the plain way gives.

import test from "ava";
import { characterTables, KIND_SURROGATE, KIND_WORD, outcomeOf } from "../../src/tokenizer/character-tables.js";

test("every unit of the basic plane, with every combination of switches", (t) => {
  for (let bits = 0; bits < 16; bits++) {
    const [cleanText, handleChineseChars, stripAccents, lowercase] = [1, 2, 4, 8].map((bit) => (bits & bit) !== 0);
    const options = { cleanText, handleChineseChars, stripAccents, lowercase } as Parameters<typeof characterTables>[0];
    const { kinds, unitsAfter, narrowUnits } = characterTables(options);
    const wrong: unknown[] = [];
    for (let unit = 0; unit < 0x10000; unit++) {
      const { kind, units } = outcomeOf(unit, options);
      const isSurrogate = unit >= 0xd800 && unit <= 0xdfff;
      const expected = isSurrogate
        ? [KIND_SURROGATE, 0, 0]
        : [kind, units.length === 1 ? units[0] : 0, kind === KIND_WORD && units[0]! < 256 ? units[0] : 0];
      const found = [kinds[unit], unitsAfter[unit], narrowUnits[unit]];
      if (found.some((value, i) => value !== expected[i])) wrong.push([unit.toString(16), found, expected]);
    }
    t.deepEqual(wrong.slice(0, 5), [], JSON.stringify(options));
  }
});
