/** What was drawn, as the numbers that the graph is fed with. Only inputs that the config asks for exist. */
import type { AugmentConfig } from '../config/augment.js';
import { type Augmentation, drawAugmentation, type View } from './draw.js';
import { affineMap } from './warp-matrix.js';

/** An input of the graph: float32 [n, width], row i for image i. */
export interface ParameterInput {
  readonly name: string;
  readonly width: number;
  /** Writes a row at `at`. */
  readonly write: (drawn: Augmentation, out: Float32Array, at: number) => void;
}

/** Rows for the graph's inputs, by name. */
export type Parameters = Readonly<Record<string, Float32Array>>;

/** The inputs of a graph that augments so; none where whole pixels are moved at most, which the host does. */
export function parameterInputs(config: AugmentConfig): readonly ParameterInput[] {
  const inputs: ParameterInput[] = [];
  const add = (name: string, width: number, write: ParameterInput['write']): void => {
    inputs.push({ name, width, write });
  };
  if (config.resizedCrop !== undefined) {
    add('augment-box', 4, ({ box }, out, at) => {
      out.set(box === null ? wholeBox : [box.top, box.left, box.height, box.width], at);
    });
  }
  if (warps(config)) add('augment-warp', 8, (drawn, out, at) => out.set(affineMap(drawn), at));
  const slots = blendSlots(config);
  if (slots > 0) {
    const passes = turnsHue(config) ? 2 * slots : slots;
    add('augment-blend', 3 * passes, (drawn, out, at) => writeBlends(drawn, slots, passes, out, at));
  }
  if (turnsHue(config)) {
    add('augment-hue', 1, ({ colorJitter }, out, at) => {
      out[at] = colorJitter?.hue ?? 0;
    });
  }
  if (config.grayscale > 0) {
    add('augment-grayscale', 1, ({ grayscale }, out, at) => {
      out[at] = grayscale ? 1 : 0;
    });
  }
  if (config.cutout > 0) {
    add('augment-cutout', 2, ({ cutout }, out, at) => out.set([cutout!.top, cutout!.left], at));
  }
  return inputs;
}

/** The numbers for these samples, in a view. */
export function parameters(
  ids: ArrayLike<number>,
  { augment, ...view }: View & { readonly augment: AugmentConfig },
): Parameters {
  // Most configs ask for nothing of the graph: then nothing is drawn either.
  if (parameterInputs(augment).length === 0) return {};
  return encoded(
    Array.from(ids, (id) => drawAugmentation(id, view, augment)),
    augment,
  );
}

/** The same for what has been drawn. */
export function encoded(drawn: readonly Augmentation[], augment: AugmentConfig): Parameters {
  return Object.fromEntries(
    parameterInputs(augment).map(({ name, width, write }) => {
      const rows = new Float32Array(drawn.length * width);
      for (const [i, one] of drawn.entries()) write(one, rows, i * width);
      return [name, rows];
    }),
  );
}

/** One batch after the other, for several views of it. */
export function concatenated(parts: readonly Parameters[]): Parameters {
  const [first = {}] = parts;
  return Object.fromEntries(
    Object.keys(first).map((name) => {
      const rows = parts.map((part) => part[name]!);
      const all = new Float32Array(rows.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const part of rows) {
        all.set(part, at);
        at += part.length;
      }
      return [name, all];
    }),
  );
}

export function warps({ rotation, zoom, stretch }: AugmentConfig): boolean {
  return rotation > 0 || zoom > 0 || stretch.width > 0 || stretch.height > 0;
}

export function turnsHue({ colorJitter }: AugmentConfig): boolean {
  return (colorJitter?.hue ?? 0) > 0;
}

/** How many of brightness, contrast and saturation change. */
export function blendSlots({ colorJitter }: AugmentConfig): number {
  if (colorJitter === undefined) return 0;
  const { brightness, contrast, saturation } = colorJitter;
  return [brightness, contrast, saturation].filter((strength) => strength > 0).length;
}

/**
 * Brightness, contrast and saturation are each factor·pixel + (1 − factor)·reference, and a pass of the graph is
 * factor·pixel + a·luma + b·mean luma. Hues are turned once, between the passes: `slots` of them are before it and as
 * many after it, and those that an image's order does not need change nothing.
 */
function writeBlends(
  { colorJitter }: Augmentation,
  slots: number,
  passes: number,
  out: Float32Array,
  at: number,
): void {
  for (let pass = 0; pass < passes; pass += 1) out.set([1, 0, 0], at + 3 * pass);
  if (colorJitter === null) return;
  let pass = 0;
  for (const name of colorJitter.order) {
    const factor = colorJitter[name];
    if (name === 'hue') {
      if (passes > slots) pass = slots;
    } else if (factor !== 1) {
      const rest = 1 - factor;
      out.set([factor, name === 'saturation' ? rest : 0, name === 'contrast' ? rest : 0], at + 3 * pass);
      pass += 1;
    }
  }
}

const wholeBox = [0, 0, 32, 32];
