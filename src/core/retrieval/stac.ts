import * as z from 'zod';
import type { Bounds } from '../geo/bounds.ts';

const NumberListSchema = z.array(z.number());
const BboxSchema = NumberListSchema.refine((bbox) => bbox.length === 4 || bbox.length === 6, '4 or 6 numbers');
const InstantSchema = z.iso.datetime({ offset: true }).nullable();

/** A STAC 1.1 Collection, as far as it is read here; other members are kept as they are. */
export const StacCollectionSchema = z.looseObject({
  type: z.literal('Collection'),
  stac_version: z.string().regex(/^1\.1\.\d+$/, 'STAC 1.1'),
  id: z.string().min(1),
  description: z.string().min(1),
  license: z.string().min(1),
  extent: z.looseObject({
    spatial: z.looseObject({ bbox: z.array(BboxSchema).min(1) }),
    temporal: z.looseObject({ interval: z.array(z.tuple([InstantSchema, InstantSchema])).min(1) }),
  }),
  links: z.array(z.looseObject({ href: z.string(), rel: z.string() })),
});

export type StacCollection = z.infer<typeof StacCollectionSchema>;

/** The rectangle of a collection's whole extent. */
export function extentBounds({ extent }: StacCollection): Bounds {
  const [bbox = []] = extent.spatial.bbox;
  const [west = Number.NaN, south = Number.NaN] = bbox;
  const [east = Number.NaN, north = Number.NaN] = bbox.slice(bbox.length / 2); // with heights there are six numbers
  return { west, south, east, north };
}
