/** Why a document could not be read, in one line: by its schema, its parser or the file system. */
import { z } from 'zod';

export function whyUnreadable(cause: unknown): string {
  if (cause instanceof z.ZodError) return z.prettifyError(cause).replace(/\s+/g, ' ');
  return cause instanceof Error ? cause.message : String(cause);
}
