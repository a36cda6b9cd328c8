/** PNG from SVG, by the resvg library where it is installed: it is optional, as it is native. */

/** Pixels a unit of the drawing: 400 units are then 1200 pixels, 10 cm at 300 dots per inch. */
const zoom = 3;

/** Undefined if there is no library, or no font to write with; `note` is then told. */
export async function rasterizer(
  note: (text: string) => void,
): Promise<((svg: string) => Uint8Array) | undefined> {
  const resvg = await import('@resvg/resvg-js').catch(() => undefined);
  if (resvg === undefined) {
    note('No PNG files: the optional package @resvg/resvg-js is not installed.');
    return undefined;
  }
  const { Resvg } = resvg;
  const font = { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans', sansSerifFamily: 'DejaVu Sans' };
  const probe = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text y="9">x</text></svg>';
  if (new Resvg(probe, { font }).getBBox() === undefined) {
    note('No PNG files: this machine has no fonts.');
    return undefined;
  }
  return (svg) =>
    new Resvg(svg, { font, background: '#ffffff', fitTo: { mode: 'zoom', value: zoom } }).render().asPng();
}
