/** The report as a reader sees it: in a browser, on a phone and on a desk, in the dark and in the light. */
import { mkdtempSync, rmSync } from 'node:fs';
import { appendFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChromium, openBrowser } from './browser.js';
import { writeExampleEvaluation } from './example-evaluation.js';
import { contrastive, exampleEvents, exampleRecord, traditional, writeExample } from './example-run.js';
import { exampleTrace } from './example-trace.js';
import { Commands } from './lockstep-command.js';

const path = findChromium();
if (path === undefined)
  console.warn('No chromium here: the report is not looked at (apt-get install chromium).');

describe.skipIf(path === undefined)('the report in a browser', () => {
  let commands: Commands;
  let folder: string;
  let browser: Browser;
  let file: string;
  beforeAll(async () => {
    commands = new Commands();
    folder = mkdtempSync(join(tmpdir(), 'lockstep-report-'));
    browser = await openBrowser(path!);
    const runs = [traditional, contrastive].map((example) =>
      writeExample(folder, example, [
        ...exampleEvents(example),
        exampleTrace(example.stages.at(-1)!.name, example === traditional ? 40 : 50),
      ]),
    );
    writeExampleEvaluation(runs[0]!, { found: 60, spaces: ['features'], points: 200 });
    writeExampleEvaluation(runs[1]!, { found: 80, spaces: ['features', 'embeddings'], points: 200 });
    file = join(folder, 'compare.html');
    const { code, stderr } = await commands.start(['report', ...runs, '--out', file]).ended;
    expect(code, stderr).toBe(0);
  });
  afterAll(async () => {
    await browser?.close();
    commands.end();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Opens a page and runs `look` on it; neither errors nor requests are let pass. */
  async function open(
    url: string,
    { width, colorScheme }: { readonly width: number; readonly colorScheme: 'light' | 'dark' },
    look: (page: Page, requests: readonly string[]) => Promise<void>,
  ): Promise<void> {
    const page = await browser.newPage({
      viewport: { width, height: 900 },
      colorScheme,
      hasTouch: width < 500,
    });
    const said: string[] = [];
    const requests: string[] = [];
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(String(error)));
    page.on('request', (request) => requests.push(request.url()));
    try {
      await page.goto(url);
      await look(page, requests);
      expect(said).toEqual([]);
    } finally {
      await page.close();
    }
  }

  /** Contrast of two colours as browsers write them, by the WCAG's formula. */
  function contrast(one: string, other: string): number {
    const [a = 0, b = 0] = [one, other]
      .map((colour) => {
        const [r = 0, g = 0, b = 0] = (colour.match(/\d+/g) ?? []).slice(0, 3).map((text) => {
          const share = Number(text) / 255;
          return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      })
      .sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  }

  for (const width of [390, 1280]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      it(`is whole, quiet and legible at ${width} pixels, ${colorScheme}`, async () => {
        await open(pathToFileURL(file).href, { width, colorScheme }, async (page, requests) => {
          const found = await page.evaluate<{
            scroll: number;
            outside: number;
            colours: [string, string][];
          }>(`({
            scroll: document.documentElement.scrollWidth,
            outside: [...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).length,
            colours: ['p.muted', 'figure svg text', 'figure path[aria-label]', 'td', '.legend'].map((selector) => {
              const element = document.querySelector(selector);
              const style = getComputedStyle(element.closest('[stroke^="var"]') ?? element);
              const ground = getComputedStyle(element.closest('figure, .card, body')).backgroundColor;
              return [selector.includes('path') ? style.stroke : style.color, ground];
            }),
          })`);
          expect(found.scroll).toBe(width);
          expect(found.outside).toBe(0);
          for (const [ink, ground] of found.colours) expect(contrast(ink, ground)).toBeGreaterThan(4.5);
          const [, paper = ''] = found.colours[0]!;
          expect(contrast(paper, colorScheme === 'dark' ? 'rgb(0,0,0)' : 'rgb(255,255,255)')).toBeLessThan(
            1.3,
          );
          // The file itself, and the empty icon that keeps browsers from asking for one.
          expect(requests.filter((url) => !url.startsWith('data:'))).toEqual([pathToFileURL(file).href]);
        });
      });
    }
  }

  it('has the results in its tables', async () => {
    await open(pathToFileURL(file).href, { width: 1280, colorScheme: 'light' }, async (page) => {
      const rows = await page.locator('#results tbody tr').all();
      expect(await Promise.all(rows.map((row) => row.locator('td').allTextContents()))).toEqual([
        ['traditional', 'train', 'softmax', '4', '40', '0.5000', '40.00 %', '40.00 %', '1000', '0:03'],
        ['contrastive', 'pretrain', 'npairs', '3', '30', '0.5000', '–', '–', '1000', '0:02'],
        ['contrastive', 'head', 'softmax', '2', '20', '0.5000', '40.00 %', '40.00 %', '1000', '0:01'],
      ]);
    });
  });

  it('tells the values under the pointer, and on a phone those under the finger', async () => {
    for (const width of [1280, 390]) {
      await open(pathToFileURL(file).href, { width, colorScheme: 'light' }, async (page) => {
        const figure = page.locator('#figure-accuracy');
        await figure.scrollIntoViewIfNeeded();
        // The end of both runs' axis is epoch 5; the traditional run ended at 4 with step 40.
        const { x, y } = (await figure.locator('.canvas').boundingBox())!;
        const [x0 = 0, x1 = 0, left = 0, right = 0] = (await figure
          .locator('.canvas > svg')
          .getAttribute('data-x'))!
          .split(' ')
          .map(Number);
        expect([x0, x1]).toEqual([0, 5]);
        const scale = (await figure.locator('.canvas').boundingBox())!.width / 400;
        const pointer = x + (left + (4 / 5) * (right - left)) * scale;
        const at = y + 100 * scale;
        await (width < 500 ? page.touchscreen.tap(pointer, at) : page.mouse.move(pointer, at));
        const tip = await figure.locator('.tip').textContent();
        expect(tip).toMatch(/^epoch 4traditional/);
        expect(tip).toContain('traditional, training 40.00 %');
        expect(tip).toContain('traditional, test 40.00 %');
        expect(tip).toContain('contrastive, test 20.00 %');
        await (width < 500 ? page.touchscreen.tap(5, 5) : page.mouse.move(5, 5));
        expect(await figure.locator('.tip').isHidden()).toBe(true);
      });
    }
  });

  it('reads the parts of a step off the stack', async () => {
    await open(pathToFileURL(file).href, { width: 1280, colorScheme: 'dark' }, async (page) => {
      const canvas = page.locator('#figure-step-time-1 .canvas');
      await canvas.scrollIntoViewIfNeeded();
      const { x, y, width, height } = (await canvas.boundingBox())!;
      await page.mouse.move(x + width / 2, y + height / 2);
      const rows = await canvas.locator('.tip div').allTextContents();
      const parts = rows
        .map((row) => /^(.+) ([\d.]+) ms$/.exec(row))
        .map((row) => [row?.[1], Number(row?.[2])]);
      expect(parts.map(([name]) => name)).toEqual([
        'compute',
        'exposed communication',
        'commit',
        'input',
        'waiting, other',
      ]);
      for (const [i, ms] of [50, 6, 2, 2, 4].entries()) expect(parts[i]![1]).toBeCloseTo(ms, 0);
    });
  });

  it('tells what a rank did at a moment of a step, and where its buckets were', async () => {
    for (const width of [1280, 390]) {
      await open(pathToFileURL(file).href, { width, colorScheme: 'dark' }, async (page) => {
        const figure = page.locator('#figure-step-timeline-1');
        await figure.scrollIntoViewIfNeeded();
        const canvas = figure.locator('.canvas');
        const { x, y, width: wide } = (await canvas.boundingBox())!;
        const numbers = async (name: string) =>
          (await canvas.locator('> svg').getAttribute(name))!.split(' ').map(Number);
        const [from = 0, to = 0, left = 0, right = 0] = await numbers('data-x');
        expect([from, to]).toEqual([0, 235]);
        const [, , bottom = 0, top = 0] = await numbers('data-y');
        const scale = wide / 400;
        const tipAt = async (ms: number, row: number) => {
          const px = x + (left + (ms / to) * (right - left)) * scale;
          const py = y + (top + ((row + 0.5) / 2) * (bottom - top)) * scale;
          await (width < 500 ? page.touchscreen.tap(px, py) : page.mouse.move(px, py));
          return await figure.locator('.tip div').allTextContents();
        };
        expect(await tipAt(140, 0)).toEqual(['run 1 of the graph 2.00–200.00 ms']);
        expect(await tipAt(165, 0)).toEqual([
          'run 1 of the graph 2.00–200.00 ms',
          'bucket 0, 4.0 MB returning 160.00–180.00 ms',
        ]);
        // Rank 1 began 10 ms later.
        expect(await tipAt(140, 1)).toEqual([
          'waiting for sums 130.00–206.00 ms',
          'bucket 0, 4.0 MB reducing 90.00–160.00 ms',
          'bucket 1, 1.0 kB returning 128.00–205.00 ms',
        ]);
        expect(await figure.locator('.tip').textContent()).toMatch(/^1(39|40)\.\d ms/);
      });
    }
  });

  it('shows what an evaluation has found out', async () => {
    await open(pathToFileURL(file).href, { width: 1280, colorScheme: 'light' }, async (page) => {
      const cells = async (section: string) =>
        await Promise.all(
          (await page.locator(`${section} tbody tr`).all()).map((row) => row.locator('td').allTextContents()),
        );
      const rest = ['55.00 %', '54.00 %', '60.00 %', '1.100', '1000'];
      expect(await cells('#evaluation')).toEqual([
        ['traditional', 'step 40, train', '60.00 %', '61.00 %', '1.250', '0.2600', ...rest],
        ['contrastive', 'step 40, train', '80.00 %', '81.00 %', '1.250', '0.1800', ...rest],
      ]);
      expect(await page.locator('#evaluation th').allTextContents()).toContain('accuracy (flip averaged)');
      const space = ['32', '0.7500', '-1.500', '75.00 %', '200'];
      expect(await cells('#spaces')).toEqual([
        ['traditional', 'features', ...space],
        ['contrastive', 'features', ...space],
        ['contrastive', 'embeddings', ...space],
      ]);
    });
  });

  it('draws classes, confusion, reliability and spaces', async () => {
    await open(pathToFileURL(file).href, { width: 1280, colorScheme: 'dark' }, async (page) => {
      const confusion = page.locator('#figure-confusion-2');
      const counts = await confusion.locator('svg g[aria-label="text"] text').allTextContents();
      expect(counts.filter((count) => count === '80')).toHaveLength(10);
      expect(counts.filter((count) => count === '20')).toHaveLength(10);
      expect(await confusion.locator('rect title').first().textContent()).toBe(
        'airplane taken for airplane: 80 (80.00 %)',
      );
      const bars = page.locator('#figure-class-recall rect');
      expect(await bars.count()).toBe(20);
      const [width = 0, longer = 0] = await Promise.all(
        [0, 10].map(async (i) => (await bars.nth(i).boundingBox())!.width),
      );
      expect(longer / width).toBeCloseTo(80 / 60, 1);
      // 400 wrong answers at a confidence of 0.5, 600 right ones at 0.9: under the pointer at 0.9.
      const canvas = page.locator('#figure-reliability .canvas');
      await canvas.scrollIntoViewIfNeeded();
      const { x, y, width: wide } = (await canvas.boundingBox())!;
      const [, , left = 0, right = 0] = (await canvas.locator('svg').first().getAttribute('data-x'))!
        .split(' ')
        .map(Number);
      await page.mouse.move(x + ((left + 0.9 * (right - left)) * wide) / 400, y + 60);
      const tip = await canvas.locator('.tip').textContent();
      expect(tip).toBe('confidence 0.9traditional 100.00 %contrastive 100.00 %');
      // A dot a point, in the colours of ten classes; runs beside each other.
      const drawings = page.locator('#spaces figure');
      expect(await drawings.locator('h3').allTextContents()).toEqual([
        ...['Features, UMAP, traditional', 'Features, UMAP, contrastive'],
        ...['Features, PCA, traditional', 'Features, PCA, contrastive'],
        ...['Embeddings, UMAP, contrastive', 'Embeddings, PCA, contrastive'],
      ]);
      const dots = await drawings.nth(1).locator('path').all();
      const drawn = await Promise.all(
        dots.map(async (dot) => (await dot.getAttribute('d'))!.split('M').length - 1),
      );
      expect(drawn).toEqual(new Array(10).fill(20));
      const box = (await drawings.nth(1).locator('.canvas').boundingBox())!;
      for (const dot of dots) {
        const { x: dx, y: dy, width: dw, height: dh } = (await dot.boundingBox())!;
        expect(dx).toBeGreaterThanOrEqual(box.x);
        expect(dy).toBeGreaterThanOrEqual(box.y);
        expect(dx + dw).toBeLessThanOrEqual(box.x + box.width);
        expect(dy + dh).toBeLessThanOrEqual(box.y + box.height);
      }
    });
  });

  it('shows a hostile name as text', async () => {
    const name = `<img src=x onerror="document.title='taken'">`;
    const stages = [{ name: '</svg><script>1</script>', objective: 'softmax', epochs: 4 }];
    const run = writeExample(folder, { ...traditional, name: 'hostile', stages });
    const record = { ...exampleRecord({ ...traditional, stages }), name };
    await writeFile(join(run, 'run.json'), JSON.stringify(record));
    const { code, stderr } = await commands.start(['report', run]).ended;
    expect(code, stderr).toBe(0);
    await open(
      pathToFileURL(join(run, 'report.html')).href,
      { width: 390, colorScheme: 'light' },
      async (page) => {
        expect(await page.locator('h1').textContent()).toBe(name);
        expect(await page.title()).toBe(name);
        expect(await page.locator('img').count()).toBe(0);
        expect(await page.locator('svg script, section script').count()).toBe(0);
      },
    );
  });

  it('follows a run that goes on, when it is served', async () => {
    const running = { ...traditional, name: 'running', until: 12 };
    const run = writeExample(folder, running);
    const { child, ended } = commands.start(['report', run, '--serve']);
    let said = '';
    const url = await new Promise<string>((found) => {
      child.stdout!.on('data', (data) => {
        said += data;
        const address = /http:\S+/.exec(said)?.[0];
        if (address !== undefined) found(address);
      });
    });
    await open(url, { width: 390, colorScheme: 'light' }, async (page, requests) => {
      const state = page.locator('.card h3');
      expect(await state.textContent()).toBe("Not finished, at step 12 of 40, epoch 2 of stage 'train'");
      const more = exampleEvents({ ...traditional, until: 15 }).filter(({ step }) => step > 12);
      await appendFile(
        join(run, 'metrics.jsonl'),
        more.map((event) => `${JSON.stringify(event)}\n`).join(''),
      );
      await page.getByText('at step 15 of 40').waitFor();
      const elsewhere = requests.filter(
        (request) => !/^data:/.test(request) && new URL(request).origin !== new URL(url).origin,
      );
      expect(elsewhere).toEqual([]);
    });
    child.kill('SIGINT');
    expect((await ended).code).toBe(0);
  });
});
