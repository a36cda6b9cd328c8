// Loads the addon given as argument in a process of its own and prints the version of the TensorFlow behind it.
// @ts-check
/** @type {{exports: {TF_Version?: string}}} */
const addon = { exports: {} };
try {
  process.dlopen(addon, process.argv[2] ?? '');
  process.stdout.write(JSON.stringify({ version: addon.exports.TF_Version ?? null }));
} catch (error) {
  process.stdout.write(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }));
}
