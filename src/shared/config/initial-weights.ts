/** Where the encoder's first weights come from, if not from the seed. */
import { z } from 'zod';

const file = z.string().min(1);

export const initialWeightsSchema = z.union([
  file.transform((path) => ({ file: path, classifier: false })),
  z.strictObject({
    file: file.describe(
      'A `.safetensors` file with the names of torchvision or timm, a Keras `.h5` or `.keras` file, or a checkpoint, run folder or export of Lockstep; relative to where the command runs.',
    ),
    classifier: z
      .boolean()
      .default(false)
      .describe("Take the file's classifier too; it must have the shape of `model.classifier`."),
  }),
]);
