/** All commands, in the order in which help lists them. */
import { lazyCommand } from './command.js';

export const commands = [
  lazyCommand(
    'demo',
    'Train both ways on the embedded sample with 2 local workers: a few minutes',
    async () => (await import('./demo.js')).demoCommand,
  ),
  lazyCommand(
    'doctor [config]',
    'Look whether hosts, and the links between them, are fit for a run',
    async () => (await import('./doctor.js')).doctorCommand,
  ),
  lazyCommand(
    'train <config>',
    'Train on this host with N local workers',
    async () => (await import('./train.js')).trainCommand,
  ),
  lazyCommand(
    'compare <study>',
    'Train several ways with the same budget and seeds, and say which is better',
    async () => (await import('./compare.js')).compareCommand,
  ),
  lazyCommand(
    'watch <run>',
    'Show how a run goes, from its folder, until it ends',
    async () => (await import('./watch.js')).watchCommand,
  ),
  lazyCommand(
    'eval <checkpoint>',
    'Evaluate a checkpoint, or the last one of a run folder, on the test images',
    async () => (await import('./eval.js')).evalCommand,
  ),
  lazyCommand(
    'export <checkpoint>',
    'Write the weights of a checkpoint, or of the last one of a run folder, for PyTorch or Keras',
    async () => (await import('./export.js')).exportCommand,
  ),
  lazyCommand(
    'report <runs..>',
    'Show what runs came to: plots and tables in one HTML file',
    async () => (await import('./report.js')).reportCommand,
  ),
  lazyCommand(
    'tensorboard <run>',
    "Write TensorBoard's event files for a run that has none, and histograms of its weights",
    async () => (await import('./tensorboard.js')).tensorboardCommand,
  ),
  lazyCommand(
    'verify [config]',
    'Train with several numbers of workers and compare the weights, bit for bit',
    async () => (await import('./verify.js')).verifyCommand,
  ),
  lazyCommand(
    'scale [config]',
    'Study how training scales with the number of workers',
    async () => (await import('./scale.js')).scaleCommand,
  ),
  lazyCommand(
    'coordinator <config>',
    'Coordinate a run of workers that are started by hand',
    async () => (await import('./coordinator.js')).coordinatorCommand,
  ),
  lazyCommand(
    'worker',
    'Run one worker, for a coordinator on this or another host',
    async () => (await import('./worker.js')).workerCommand,
  ),
  lazyCommand(
    'data <what>',
    'Import CIFAR-10, or say what has been imported',
    async () => (await import('./data.js')).dataCommand,
  ),
  lazyCommand(
    'bench <what>',
    'Measure a training step, the all-reduce, or what links do to it',
    async () => (await import('./bench.js')).benchCommand,
  ),
  lazyCommand(
    'setup',
    'Install what is missing, or the whole of Lockstep in another folder',
    async () => (await import('./setup.js')).setupCommand,
  ),
];
