import * as z from 'zod';
import { type BenchRow, percentileRow } from './rows.ts';
import type { Service } from './service.ts';

const ReadySchema = z.object({ models: z.array(z.object({ makesViews: z.boolean() })) });
const Position = z.tuple([z.number(), z.number()]);
const CoverageSchema = z.object({
  features: z.array(z.object({ geometry: z.object({ coordinates: z.array(z.array(z.array(Position))) }) })),
});

/** Steps that the target is stated for. */
const STEPS = 10;
const FOV_DEG = 90;

/** Views of the served model: made anew at ten steps, and street previews that are kept. No rows for a model that makes none. */
export async function benchPreviews(
  { url }: Service,
  { system, places, repeats }: { system: string; places: number; repeats: number },
): Promise<BenchRow[]> {
  const { models } = ReadySchema.parse(await (await fetch(`${url}/v2/health/ready`)).json());
  if (!models.some(({ makesViews }) => makesViews)) return [];
  const { features } = CoverageSchema.parse(await (await fetch(`${url}/v1/coverage`)).json());
  const ring = features[0]?.geometry.coordinates[0]?.[0] ?? []; // of a covered rectangle
  /** Along its diagonal. */
  const placeAt = (share: number) => {
    const [lons, lats] = [ring.map(([lon]) => lon), ring.map(([, lat]) => lat)];
    const between = (all: number[]) => Math.min(...all) + share * (Math.max(...all) - Math.min(...all));
    return [between(lons), between(lats)] as const;
  };
  const about = (condition: string) => ({ system, split: 'served', condition });

  const made: number[] = [];
  for (let i = -1; i < places; i++) {
    const location = placeAt((i + 1.5) / (places + 1));
    const body = { direction: 'satellite_to_ground', location, fovDeg: FOV_DEG, steps: STEPS, solver: 'heun' };
    const ms = await timed(`${url}/v1/synthesize`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'image/webp' },
      body: JSON.stringify(body),
    });
    if (i >= 0) made.push(ms); // the first loads the graphs
  }

  const [lon, lat] = placeAt(0.5).map(String);
  const place = new URLSearchParams({ lon: lon ?? '', lat: lat ?? '', fov: String(FOV_DEG) });
  const found = await fetch(`${url}/v1/previews/ground?${place}`, { redirect: 'manual' });
  const address = `${url}${found.headers.get('location') ?? ''}`;
  await timed(address);
  const kept: number[] = [];
  for (let i = 0; i < repeats; i++) kept.push(await timed(address));
  return [
    percentileRow(about(`preview_${STEPS}_steps_heun`), 'latency_ms_p50', made, 0.5),
    percentileRow(about('preview_cached'), 'latency_ms_p50', kept, 0.5),
    percentileRow(about('preview_cached'), 'latency_ms_p95', kept, 0.95),
  ];
}

/** Milliseconds to the last byte of a picture. */
async function timed(url: string, init: RequestInit = {}): Promise<number> {
  const startedMs = performance.now();
  const response = await fetch(url, init);
  const bytes = await response.arrayBuffer();
  if (response.status !== 200 || response.headers.get('content-type') !== 'image/webp') {
    throw new Error(`${url} gave no picture but ${response.status} ${new TextDecoder().decode(bytes)}`);
  }
  return performance.now() - startedMs;
}
