// Contenders taking turns, round after round, while the others are idle. The order rotates, so that nobody always follows the same one.

/**
 * @param rounds that count; one more goes before as warm-up
 * @param turn sends a contender its command and resolves to seconds of a step or batch; the second argument is whether it is the warm-up
 * @returns of each contender, in the order given, the seconds of every round
 */
export async function takeTurns(contenders, rounds, turn) {
  const seconds = contenders.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    for (let place = 0; place < contenders.length; place++) {
      const index = (round + place) % contenders.length;
      const taken = await turn(contenders[index], round === 0);
      if (round > 0) seconds[index].push(taken);
    }
    const latest = contenders.map(({ name }, i) => `${name} ${seconds[i].at(-1)?.toPrecision(3) ?? "warm"}`);
    process.stderr.write(`  round ${round} of ${rounds}, seconds: ${latest.join(", ")}\n`);
  }
  return seconds;
}
