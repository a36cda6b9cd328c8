/** A user's shell on the login node: it is typed into block by block, and what one block sets the next one has. */
import { type ChildProcess, spawn } from 'node:child_process';

export class Terminal {
  readonly #bash: ChildProcess;
  #printed = '';
  #blocks = 0;

  /** @param env of the shell; @param from the folder in which it starts */
  constructor(env: NodeJS.ProcessEnv, from: string) {
    this.#bash = spawn('bash', ['-e'], { cwd: from, env, stdio: 'pipe' });
    for (const stream of [this.#bash.stdout, this.#bash.stderr]) {
      stream!.on('data', (data) => {
        this.#printed += data;
      });
    }
  }

  /** @returns what the block printed; rejects with it when a command in it fails */
  type(block: string): Promise<string> {
    this.#blocks += 1;
    const mark = `end of block ${this.#blocks}\n`;
    this.#printed = '';
    this.#bash.stdin!.write(`${block}\necho '${mark.trim()}'\n`);
    return new Promise((resolve, reject) => {
      const look = () => this.#printed.includes(mark) && resolve(this.#printed.replace(mark, ''));
      this.#bash.stdout!.on('data', look);
      this.#bash.once('exit', () => reject(new Error(`${block}\n${this.#printed}`)));
    });
  }

  close(): void {
    this.#bash.kill('SIGKILL');
  }
}

/** The blocks of shell commands in some sections of a page. */
export function shellBlocks(page: string, sections: readonly string[]): string[] {
  return page
    .split(/^(?=## )/m)
    .filter((section) => sections.some((title) => section.startsWith(`## ${title}\n`)))
    .flatMap((section) => [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block!));
}
