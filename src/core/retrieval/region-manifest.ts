import * as z from 'zod';
import { FileFactsSchema, RelativePathSchema } from '../storage/checksums.ts';
import { VersionSchema } from '../storage/versioned.ts';

export const RegionIdSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower-case letters, digits and -, at most 63');

/** Files that a bundle's manifest must list, at the names it gives them. */
const NAMED_FILES = ['index', 'imagery', 'tiles', 'collection', 'calibration'] as const;

/** Where a collection lies; without credentials, for it stands in manifests. */
export const MILVUS_URL =
  /^milvus(?<tls>\+tls)?:\/\/(?<address>[^/@\s]+)\/(?:(?<database>[A-Za-z_]\w{0,200})\/)?(?<collection>[A-Za-z_]\w{0,200})$/;

/** A server that holds the same rows and is searched instead of the file. */
const MilvusSchema = z.strictObject({
  type: z.literal('milvus'),
  url: z.string().regex(MILVUS_URL, 'milvus://host:port/collection'),
});

const FileSchema = z.strictObject({ file: RelativePathSchema });

/** Every row is compared; the answer is exact. */
const FlatIndexSchema = z.strictObject({
  type: z.literal('IndexFlatIP'),
  parameters: z.strictObject({}),
  file: RelativePathSchema,
  servedBy: MilvusSchema.optional(),
});

/** Rows lie in lists around centres; the nearest lists are compared. */
const IvfIndexSchema = z.strictObject({
  type: z.literal('IndexIVFFlat'),
  parameters: z.strictObject({
    nlist: z.int().positive(),
    /** Lists that a search visits; the file says the same. */
    nprobe: z.int().positive(),
    /** Share of the ten nearest rows that such a search finds, over held-out rows: with all orientations, and with one. */
    recallAt10: z.number().min(0).max(1),
    recallAt10OneHeading: z.number().min(0).max(1),
    heldOutRows: z.int().positive(),
  }),
  file: RelativePathSchema,
  servedBy: MilvusSchema.optional(),
});

const IndexSchema = z.discriminatedUnion('type', [FlatIndexSchema, IvfIndexSchema]);

/** What an index is, beside its file. */
export type IndexFacts =
  | Pick<z.infer<typeof FlatIndexSchema>, 'type' | 'parameters' | 'servedBy'>
  | Pick<z.infer<typeof IvfIndexSchema>, 'type' | 'parameters' | 'servedBy'>;

/** `manifest.json` of a region bundle: what it is made of, by which model, and what every file must be. */
export const RegionManifestSchema = z
  .strictObject({
    schemaVersion: z.literal(1),
    id: RegionIdSchema,
    version: VersionSchema,
    createdAt: z.iso.datetime(),
    licence: z.string().min(1),
    attribution: z.string(),
    /** When the imagery was taken. */
    capturedAt: z.strictObject({ start: z.string(), end: z.string() }).nullable(),
    /** The model whose embeddings the index holds. */
    model: z.strictObject({ name: z.string().min(1), version: z.string().min(1) }),
    embeddingWidth: z.int().positive(),
    /** Edge of a tile on the ground, in metres. */
    metresPerTile: z.number().positive(),
    /** Share of a tile's edge that it has in common with the next one. */
    overlap: z.number().min(0).lt(1),
    /** R, the orientation bank: row r of a tile is its embedding with azimuth 360 r / R up. */
    headings: z.int().min(1).max(360),
    tileCount: z.int().positive(),
    /** Tiles of the plan that are not in the region, because imagery is missing there. */
    leftOutTiles: z.int().nonnegative().optional(),
    index: IndexSchema,
    imagery: z.strictObject({
      file: RelativePathSchema,
      minZoom: z.int().min(0).max(24),
      maxZoom: z.int().min(0).max(24),
      tileType: z.enum(['webp', 'jpeg']),
    }),
    tiles: FileSchema,
    collection: FileSchema,
    calibration: FileSchema,
    files: z.array(FileFactsSchema).min(1),
  })
  .check(({ value, issues }) => {
    const listed = new Set(value.files.map((file) => file.path));
    for (const name of NAMED_FILES) {
      const { file } = value[name];
      if (listed.has(file)) continue;
      issues.push({ code: 'custom', input: file, path: ['files'], message: `${file} (${name}) is not listed` });
    }
  });

export type RegionManifest = z.infer<typeof RegionManifestSchema>;
