/** Pairs by count, the most frequent first; of equals the one with the lower key. A binary heap. */
export class PairQueue {
  readonly #heap: { key: number; count: number }[] = [];

  push(key: number, count: number): void {
    const heap = this.#heap;
    let at = heap.push({ key, count }) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(heap[at]!, heap[parent]!)) return;
      swap(heap, at, parent);
      at = parent;
    }
  }

  pop(): { key: number; count: number } | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return first;
    heap[0] = last;
    for (let at = 0; ; ) {
      let best = at;
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < heap.length && isBefore(heap[child]!, heap[best]!)) best = child;
      if (best === at) return first;
      swap(heap, at, best);
      at = best;
    }
  }
}

function isBefore(a: { key: number; count: number }, b: { key: number; count: number }): boolean {
  return a.count > b.count || (a.count === b.count && a.key < b.key);
}

function swap<T>(items: T[], a: number, b: number): void {
  const held = items[a]!;
  items[a] = items[b]!;
  items[b] = held;
}
