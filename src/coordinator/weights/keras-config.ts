/** What the configuration of a Keras model says: the names of its layers, and the epsilon of its BatchNorm. */

/**
 * Layers' names by their groups in the file, as in `layers/functional/layers/conv2d_3`: Keras calls the groups after the
 * class of a layer, numbered in the order of its model (keras/src/saving/saving_lib.py, _save_container_state).
 */
export function layerNames(config: unknown): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const root of ['layers', '_layer_checkpoint_dependencies']) collect(config, root, names);
  return names;
}

/** BatchNorm's epsilon, if all layers have the same. */
export function kerasEpsilon(config: unknown): number | undefined {
  const found = new Set<unknown>();
  const look = (model: unknown): void => {
    for (const layer of layersOf(model)) {
      if (layer.class_name === 'BatchNormalization') found.add(record(layer.config).epsilon);
      look(layer);
    }
  };
  look(config);
  const [epsilon] = found;
  return found.size === 1 && typeof epsilon === 'number' ? epsilon : undefined;
}

function collect(model: unknown, group: string, names: Map<string, string>): void {
  const used = new Map<string, number>();
  for (const layer of layersOf(model)) {
    const kind = snakeCase(String(layer.class_name));
    const count = used.get(kind) ?? 0;
    used.set(kind, count + 1);
    const path = `${group}/${count === 0 ? kind : `${kind}_${count}`}`;
    names.set(path, String(record(layer.config).name));
    collect(layer, `${path}/layers`, names);
  }
}

/** The layers in a model, or in a layer that is one. */
function layersOf(model: unknown): Record<string, unknown>[] {
  const { layers } = record(record(model).config);
  return Array.isArray(layers) ? layers.map(record) : [];
}

/** keras/src/utils/naming.py, to_snake_case */
function snakeCase(name: string): string {
  return name
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
