import { z } from '@hono/zod-openapi';
import { Geo2Error } from '../core/errors.ts';
import { MAX_JOB_ITEMS, type NewJobItem } from '../core/jobs/jobs.ts';
import { parseOutboundUrl } from '../core/outbound/outbound-url.ts';
import { parseCsv } from '../core/regions/csv.ts';
import { type BatchTask, eachImage, optionsOfJson, optionsOfText, TaskSchema } from './batch-task.ts';
import { decodeUtf8, parseJson } from './form.ts';
import { HttpProblem } from './problems.ts';
import { invalidInput, jsonPointer, type PointerOf, parseInput } from './validate.ts';

/** Lists of images that a batch fetches: JSON, a JSON object on each line, or a table (CSV). */

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

export const NameSchema = z
  .string()
  .max(255, 'may have 255 characters')
  .refine((name) => !CONTROL.test(name), 'must not hold control characters')
  .openapi({ description: 'Told with the image’s result; any text' });

const UrlSchema = z
  .string({ error: 'must be a URL' })
  .transform((url, context) => {
    const parsed = parseOutboundUrl(url);
    if (!('why' in parsed)) return url;
    context.addIssue(parsed.why);
    return z.NEVER;
  })
  .openapi({
    type: 'string',
    format: 'uri',
    maxLength: 2048,
    description: 'http or https, at a public address; redirects are not followed',
  });

const ListedImageSchema = z
  .looseObject({ url: UrlSchema, name: NameSchema.optional() }, { error: 'must be a JSON object with url' })
  .openapi('BatchImage', { description: 'Any option of the task may stand beside, for this image' });

export const BatchSchema = z
  .strictObject(
    {
      task: TaskSchema,
      options: z
        .looseObject({}, { error: 'must be a JSON object' })
        .optional()
        .openapi({ description: 'Of the task, for every image' }),
      images: z.array(ListedImageSchema, { error: 'must be a list' }).min(1, 'is empty').max(MAX_JOB_ITEMS),
    },
    { error: 'must be a JSON object' },
  )
  .openapi('BatchRequest', {
    example: {
      task: 'geolocate',
      options: { topK: 3 },
      images: [
        { url: 'https://example.org/a.jpg', name: 'a', headingDeg: 137 },
        { url: 'https://example.org/b.jpg', prior: { type: 'circle', center: [0.004, -0.002], radiusM: 300 } },
      ],
    },
  });

export interface Batch {
  readonly task: BatchTask;
  readonly items: readonly NewJobItem[];
}

/** `{task, options, images: [{url, name, …options}]}`. Throws MALFORMED_BODY, INVALID_REQUEST, BATCH_TOO_LARGE. */
export function readJsonBatch(bytes: Uint8Array): Batch {
  const value = parseJson(bytes, 'The body');
  const counted = CountedSchema.safeParse(value); // before anything of so many is looked at
  if (counted.success) checkCount(counted.data.images.length);
  const { task, options: common = {}, images } = parseInput(BatchSchema, value);
  return { task, items: itemsOf(task, images, common) };
}

const CountedSchema = z.object({ images: z.array(z.unknown()) });

/** `{url, name, …options}` on each line. Throws MALFORMED_BODY, INVALID_REQUEST, BATCH_TOO_LARGE. */
export function readJsonLines(bytes: Uint8Array, task: BatchTask): Batch {
  const lines = textOf(bytes)
    .split('\n')
    .filter((line) => line.trim() !== '');
  checkCount(lines.length);
  const values = lines.map((line, index) => parseJson(line, `Image ${index} of the list`));
  const images = eachImage(values, (value, index) => parseInput(ListedImageSchema, value, pointerTo(index)));
  return { task, items: itemsOf(task, images, {}) };
}

/** A table with the columns url and, if wanted, name and the options as they stand in a query string. Throws as above. */
export function readCsv(bytes: Uint8Array, task: BatchTask): Batch {
  const rows = parseTable(textOf(bytes));
  checkCount(rows.length);
  const items = eachImage(rows, ({ fields }, index) => {
    const given = Object.fromEntries(Object.entries(fields).filter(([, text]) => text !== ''));
    const { url, name, ...own } = given;
    const image = parseInput(ListedImageSchema, { url, name }, pointerTo(index));
    return itemOf(image, optionsOfText(task, own, `#/images/${index}`));
  });
  return { task, items };
}

function itemsOf(
  task: BatchTask,
  images: readonly z.infer<typeof ListedImageSchema>[],
  common: Readonly<Record<string, unknown>>,
): NewJobItem[] {
  return eachImage(images, ({ url, name, ...own }, index) =>
    itemOf({ url, name }, optionsOfJson(task, { common, own, place: `#/images/${index}` })),
  );
}

function itemOf({ url, name }: { url: string; name?: string | undefined }, options: object): NewJobItem {
  return { name, input: { type: 'url', url }, options: { ...options } };
}

function pointerTo(index: number): PointerOf {
  return (path) => `#/images/${index}${jsonPointer(path).slice(1)}`;
}

/** Lines beyond which a list is not even split: more than a batch can have, also where quoted text goes over lines. */
const MAX_LINES = 10 * MAX_JOB_ITEMS;

/** Throws MALFORMED_BODY, BATCH_TOO_LARGE. */
function textOf(bytes: Uint8Array): string {
  const text = decodeUtf8(bytes, 'The list');
  let lines = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines += 1;
  if (lines > MAX_LINES) checkCount(lines);
  return text;
}

function parseTable(text: string): ReturnType<typeof parseCsv> {
  try {
    return parseCsv(text, { file: 'The table', columns: ['url'] });
  } catch (error) {
    if (error instanceof Geo2Error) throw new HttpProblem('MALFORMED_BODY', error.message, { cause: error });
    throw error;
  }
}

/** Throws BATCH_TOO_LARGE, and INVALID_REQUEST where there is none. */
export function checkCount(count: number): void {
  if (count === 0) throw invalidInput([{ detail: 'is empty: there is no image', pointer: '#/images' }]);
  if (count <= MAX_JOB_ITEMS) return;
  throw new Geo2Error('BATCH_TOO_LARGE', `A batch has at most ${MAX_JOB_ITEMS} images.`, {
    data: { maxImages: MAX_JOB_ITEMS },
  });
}
