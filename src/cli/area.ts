import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import type { Area } from '../core/regions/tile-grid.ts';
import { BboxSchema, PriorSchema } from '../handlers/schemas.ts';
import { UsageError } from './failure.ts';
import { reasonOf } from './images.ts';
import { checked, numbersOption } from './values.ts';

const GeometrySchema = z.looseObject({ type: z.string() });
const GeoJsonSchema = z.union([
  z.looseObject({
    type: z.literal('FeatureCollection'),
    features: z.array(z.looseObject({ geometry: GeometrySchema })),
  }),
  z.looseObject({ type: z.literal('Feature'), geometry: GeometrySchema }),
  GeometrySchema,
]);

/** Reads `--area`: `W,S,E,N`, or a GeoJSON file that holds one Polygon. Throws UsageError. */
export async function areaOption(text: string): Promise<Area> {
  if (!/\.(geo)?json$/i.test(text)) {
    return { type: 'bbox', bbox: checked('--area', BboxSchema, numbersOption('--area', text, ['W', 'S', 'E', 'N'])) };
  }
  const content = await readFile(text, 'utf8').catch((cause: unknown) => {
    throw new UsageError(`--area: ${text} cannot be read: ${reasonOf(cause)}`);
  });
  const [geometry, ...others] = geometriesOf(parseJson(content, text));
  if (geometry === undefined || others.length > 0 || geometry.type !== 'Polygon') {
    throw new UsageError(`--area: ${text} must hold one GeoJSON Polygon (alone, or as the only Feature)`);
  }
  const { type, coordinates } = geometry;
  const area = checked(`--area: ${text}`, PriorSchema, { type, coordinates: withoutHeights(coordinates) });
  if (area.type !== 'Polygon') throw new UsageError(`--area: ${text} must hold one GeoJSON Polygon`);
  return area;
}

function geometriesOf(value: unknown): z.infer<typeof GeometrySchema>[] {
  const parsed = GeoJsonSchema.safeParse(value);
  if (!parsed.success) return [];
  const found = parsed.data;
  if ('features' in found && Array.isArray(found.features)) return found.features.map(({ geometry }) => geometry);
  const inner = GeometrySchema.safeParse(found.geometry);
  return [inner.success ? inner.data : GeometrySchema.parse(found)];
}

/** GeoJSON positions may have a third number. */
function withoutHeights(coordinates: unknown): unknown {
  if (!Array.isArray(coordinates)) return coordinates;
  return typeof coordinates[0] === 'number' ? coordinates.slice(0, 2) : coordinates.map(withoutHeights);
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(`--area: ${path} is not JSON`);
  }
}
