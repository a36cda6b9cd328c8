/** A headless Chromium, if there is one: tests of pages look at them as a reader does. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** Undefined where none is installed; LOCKSTEP_CHROMIUM names one that is not on the path. */
export function findChromium(): string | undefined {
  const { LOCKSTEP_CHROMIUM, PATH = '' } = process.env;
  const places = PATH.split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  return [...(LOCKSTEP_CHROMIUM ? [LOCKSTEP_CHROMIUM] : []), ...places].find((path) => existsSync(path));
}

/** The caller closes it. */
export function openBrowser(executablePath: string): Promise<Browser> {
  // Its sandbox needs rights that containers and root do not have; it opens nothing but our own pages.
  return chromium.launch({ executablePath, args: ['--no-sandbox'] });
}
