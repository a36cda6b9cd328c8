/** All commands, in the order in which help lists them. */
import type { CommandModule } from 'yargs';
import { benchCommand } from './bench.js';
import { compareCommand } from './compare.js';
import { coordinatorCommand } from './coordinator.js';
import { dataCommand } from './data.js';
import { demoCommand } from './demo.js';
import { doctorCommand } from './doctor.js';
import { evalCommand } from './eval.js';
import { exportCommand } from './export.js';
import { reportCommand } from './report.js';
import { scaleCommand } from './scale.js';
import { setupCommand } from './setup.js';
import { tensorboardCommand } from './tensorboard.js';
import { trainCommand } from './train.js';
import { verifyCommand } from './verify.js';
import { watchCommand } from './watch.js';
import { workerCommand } from './worker.js';

export const commands = [
  demoCommand,
  doctorCommand,
  trainCommand,
  compareCommand,
  watchCommand,
  evalCommand,
  exportCommand,
  reportCommand,
  tensorboardCommand,
  verifyCommand,
  scaleCommand,
  coordinatorCommand,
  workerCommand,
  dataCommand,
  benchCommand,
  setupCommand,
] as unknown as CommandModule[];
