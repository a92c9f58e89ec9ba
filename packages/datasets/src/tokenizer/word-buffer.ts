// A normalized word that is no simple part of the text, and where each unit of it came from.

/** The buffer can be read so many units beyond the end of a word. */
const READ_BEYOND = 8;

export class WordBuffer {
  units!: Uint16Array;
  /** The same memory. */
  view!: DataView;
  /** Unit i stands for units starts[i] … ends[i] of the text. */
  starts!: Int32Array;
  ends!: Int32Array;

  constructor() {
    this.#allocate(1024);
  }

  /** Makes room for a word of so many units; what is there remains. */
  reserve(length: number): void {
    if (length <= this.units.length) return;
    const { units, starts, ends } = this;
    this.#allocate(2 * length);
    this.units.set(units);
    this.starts.set(starts);
    this.ends.set(ends);
  }

  #allocate(length: number): void {
    const memory = new ArrayBuffer(2 * (length + READ_BEYOND));
    this.units = new Uint16Array(memory, 0, length);
    this.view = new DataView(memory);
    this.starts = new Int32Array(length);
    this.ends = new Int32Array(length);
  }
}
