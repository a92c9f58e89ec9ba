// A contender: a long-lived process that works when told to and is idle otherwise, so that several can take turns on one machine.
// It reads one JSON document a line from stdin and answers each with one line on stdout:
//   (on start)     {"ready": true, "versions": {…}, "environment": {…what it found and chose…}}
//   {"run": n}     {"steps": [{"step", "loss", "learningRate", "gradientNorm"} × n], "seconds": of the n steps, "peakMemoryBytes"}
//   {"quit": true} {"quit": true, …} and it ends
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export class Contender {
  #child;
  #lines;
  #errors = "";

  /** Starts the process; await `ready` before the first command. @param spec `{ name, command: string[], environment }` */
  constructor(spec) {
    this.name = spec.name;
    const [program, ...args] = spec.command;
    this.#child = spawn(program, args, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...spec.environment },
    });
    this.#child.stdin.on("error", () => {}); // the answer that does not come tells more
    this.#child.stderr.setEncoding("utf8").on("data", (text) => {
      this.#errors = (this.#errors + text).slice(-4000);
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.ended = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve(error.message));
      this.#child.once("close", (code, signal) => resolve(signal ?? `exit ${code}`));
    });
    this.ready = this.#answer();
  }

  async #answer() {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.name} ended without an answer (${await this.ended})\n${this.#errors}`);
    return JSON.parse(value);
  }

  /** Sends a command and waits for its answer. */
  async send(command) {
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    return this.#answer();
  }

  async quit() {
    await this.send({ quit: true });
    this.#child.stdin.end();
    await this.ended;
  }

  kill() {
    this.#child.kill("SIGKILL");
  }
}

/** Runs `work` with the contenders started one after the other; ends them all, whatever happens. */
export async function withContenders(specs, work) {
  const running = [];
  try {
    for (const spec of specs) {
      const contender = new Contender(spec);
      running.push(contender);
      const { versions, environment } = await contender.ready;
      Object.assign(contender, { versions, environment });
    }
    const result = await work(running);
    for (const contender of running) await contender.quit();
    return result;
  } finally {
    for (const contender of running) contender.kill();
  }
}
