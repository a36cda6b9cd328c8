/** The folder that holds package.json, from src/ and from dist/ alike. */
import { fileURLToPath } from 'node:url';

export const packageRoot = fileURLToPath(new URL('../..', import.meta.url));
