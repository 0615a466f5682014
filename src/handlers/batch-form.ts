import { z } from '@hono/zod-openapi';
import { Geo2Error } from '../core/errors.ts';
import { type JobInput, MAX_JOB_ITEMS } from '../core/jobs/jobs.ts';
import { type Batch, checkCount, NameSchema } from './batch-manifest.ts';
import { eachImage, optionsOfJson, TaskSchema } from './batch-task.ts';
import { decodeUtf8, type Hold, parseJson } from './form.ts';
import type { FormPart } from './multipart.ts';
import { HttpProblem } from './problems.ts';
import type { PutImage } from './submit-job.ts';
import { invalidInput, jsonPointer, parseInput } from './validate.ts';

export interface BatchFormDeps {
  readonly put: PutImage;
  /** Counts what is held of the form. */
  readonly hold: Hold;
  readonly maxImageBytes: number;
}

const MAX_FIELD_BYTES = 4 * 1024 * 1024;

const OptionsSchema = z.looseObject({}, { error: 'must be a JSON object' });

/** The fields that are no files, and how each is read. */
const FIELDS = {
  task: (bytes: Uint8Array) => parseInput(TaskSchema, decodeUtf8(bytes, 'The part task'), () => '#/task'),
  options: (bytes: Uint8Array) =>
    parseInput(OptionsSchema, parseJson(bytes, 'The part options'), (path) => jsonPointer(['options', ...path])),
  imageOptions: (bytes: Uint8Array) =>
    parseInput(
      z.array(OptionsSchema, { error: 'must be a list of JSON objects' }).max(MAX_JOB_ITEMS, 'has too many'),
      parseJson(bytes, 'The part imageOptions'),
      (path) => jsonPointer(['imageOptions', ...path]),
    ),
};

type Fields = { [Name in keyof typeof FIELDS]?: ReturnType<(typeof FIELDS)[Name]> };

/**
 * A batch whose images come as files: each is put where it belongs while it comes. What is wrong is told as soon as it is seen.
 * Throws INVALID_REQUEST, BATCH_TOO_LARGE, IMAGE_TOO_LARGE, MALFORMED_BODY, BODY_TOO_LARGE, OVERLOADED.
 */
export async function readBatchForm(parts: AsyncIterable<FormPart>, deps: BatchFormDeps): Promise<Batch> {
  const images: { readonly name: string | undefined; readonly input: JobInput }[] = [];
  const fields: Fields = {};
  for await (const part of parts) {
    if (part.name === 'image') images.push(await putImage(part, images.length, deps));
    else Object.assign(fields, await readField(part, fields, deps.hold));
  }
  checkCount(images.length);
  const { task, options: common = {}, imageOptions = images.map(() => ({})) } = fields;
  if (task === undefined) throw invalidInput([{ detail: 'is missing: what to do with the images', pointer: '#/task' }]);
  if (imageOptions.length !== images.length) {
    const detail = `has ${imageOptions.length} objects for ${images.length} images: one is needed for each`;
    throw invalidInput([{ detail, pointer: '#/imageOptions' }]);
  }
  const options = eachImage(imageOptions, (own, index) =>
    optionsOfJson(task, { common, own, place: `#/imageOptions/${index}` }),
  );
  return { task, items: images.map((image, index) => ({ ...image, options: { ...options[index] } })) };
}

async function putImage({ filename, body }: FormPart, index: number, { put, maxImageBytes }: BatchFormDeps) {
  if (filename === undefined) throw invalidInput([{ detail: 'must be a file', pointer: `#/images/${index}` }]);
  checkCount(index + 1);
  const name = parseInput(NameSchema, filename, () => `#/images/${index}/name`);
  const input = await put(upTo(maxImageBytes, body, index));
  return { name: name === '' ? undefined : name, input };
}

async function* upTo(maxBytes: number, body: AsyncIterable<Uint8Array>, index: number): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) {
      throw new Geo2Error('IMAGE_TOO_LARGE', `An image may have ${maxBytes} bytes.`, { data: { maxBytes, index } });
    }
    yield chunk;
  }
}

async function readField({ name, body }: FormPart, known: Fields, hold: Hold): Promise<Fields> {
  if (!isField(name)) {
    const detail = `is no part of this form: it has image (files), ${Object.keys(FIELDS).join(', ')}`;
    throw invalidInput([{ detail, pointer: jsonPointer([name]) }]);
  }
  if (known[name] !== undefined) throw invalidInput([{ detail: 'is given twice', pointer: `#/${name}` }]);
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_FIELD_BYTES) {
      throw new HttpProblem('BODY_TOO_LARGE', `The part ${name} may have ${MAX_FIELD_BYTES} bytes.`);
    }
    hold(chunk.length);
    chunks.push(chunk);
  }
  return { [name]: FIELDS[name](Buffer.concat(chunks)) };
}

function isField(name: string): name is keyof typeof FIELDS {
  return Object.hasOwn(FIELDS, name);
}
