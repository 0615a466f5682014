import type { Page } from 'playwright-core';
import { z } from 'zod';

const Position = z.tuple([z.number(), z.number()]);
const Shape = z.object({
  properties: z.object({ role: z.string(), rank: z.number().optional(), selected: z.boolean().optional() }),
  geometry: z.discriminatedUnion('type', [
    z.object({ type: z.literal('Point'), coordinates: Position }),
    z.object({ type: z.literal('LineString'), coordinates: z.array(Position) }),
    z.object({ type: z.literal('Polygon'), coordinates: z.array(z.array(Position)) }),
  ]),
});

/** What the map holds: shapes of the scene, in degrees. */
export async function sceneOnMap(page: Page): Promise<z.infer<typeof Shape>[]> {
  const data = await page.evaluate("globalThis.geo2.map.native.getSource('scene').getData()");
  return z.object({ features: z.array(Shape) }).parse(data).features;
}

/** The layers of the scene, and the imagery, that are painted in the viewport once the map has come to rest. */
export async function paintedLayers(page: Page): Promise<string[]> {
  await mapAtRest(page);
  const painted = await page.evaluate(
    '[...new Set(globalThis.geo2.map.native.queryRenderedFeatures().map((feature) => feature.layer.id))].sort()',
  );
  return z.array(z.string()).parse(painted);
}

/** Every tile loaded, nothing moving. */
export async function mapAtRest(page: Page): Promise<void> {
  await page.evaluate(`new Promise((resolve) => {
    const map = globalThis.geo2.map.native;
    if (map.loaded() && !map.isMoving()) resolve();
    else map.once('idle', () => resolve());
  })`);
}

/**
 * Different colours on a grid over the painted map: a blank or one-coloured canvas gives one or two. Read from a frame that
 * the map paints for this question, because a WebGL canvas forgets its pixels after each.
 */
export async function coloursOnMap(page: Page): Promise<number> {
  await mapAtRest(page);
  const count = await page.evaluate(`new Promise((resolve) => {
    const map = globalThis.geo2.map.native;
    map.once('render', () => {
      const source = map.getCanvas();
      const copy = new OffscreenCanvas(64, 64);
      const context = copy.getContext('2d');
      context.drawImage(source, 0, 0, 64, 64);
      const { data } = context.getImageData(0, 0, 64, 64);
      const seen = new Set();
      for (let i = 0; i < data.length; i += 4) seen.add((data[i] >> 4) + 16 * (data[i + 1] >> 4) + 256 * (data[i + 2] >> 4));
      resolve(seen.size);
    });
    map.triggerRepaint();
  })`);
  return z.number().parse(count);
}

/** Where a place lies on the screen, in CSS pixels of the page. */
export async function pixelOf(page: Page, [lon, lat]: readonly [number, number]): Promise<{ x: number; y: number }> {
  const point = await page.evaluate(`(() => {
    const map = globalThis.geo2.map.native;
    const { x, y } = map.project([${lon}, ${lat}]);
    const box = map.getCanvas().getBoundingClientRect();
    return { x: box.left + x, y: box.top + y };
  })()`);
  return z.object({ x: z.number(), y: z.number() }).parse(point);
}
