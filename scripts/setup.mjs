// Makes a fresh clone ready to run: checks the machine, then installs what is missing (see docs/install.md).
// @ts-check

// This file must load on any Node, however old, so that a wrong one gets a sentence and not a stack trace:
// nothing but a check here, and the rest by a dynamic import.
const { version, execPath } = process;
const major = Number(version.slice(1).split('.')[0]);

if (major === 20 || major === 22) {
  import('./setup/install.mjs').then(({ main }) => main());
} else {
  process.stderr.write(
    `lockstep set-up failed: Node 20 or 22 is needed, this is ${version} (${execPath}). ` +
      'Install one of them (for example `nvm install 22`, or `module load nodejs/22` on a cluster) and run the command again.\n',
  );
  process.exitCode = 1;
}
