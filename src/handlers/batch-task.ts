import { z } from '@hono/zod-openapi';
import type { JobKind } from '../core/jobs/jobs.ts';
import { embedOptions } from './embed.ts';
import { geolocateOptions } from './geolocate.ts';
import type { FieldError } from './problems.ts';
import { synthesizeOptions } from './synthesize.ts';
import { fieldErrorsOf, invalidInput, jsonPointer, type PointerOf } from './validate.ts';

/** How the options of a verb are read. */
interface OptionReader {
  fromJson(value: unknown, pointerOf: PointerOf): object;
  fromText(texts: Readonly<Record<string, string>>, pointerOf: PointerOf): object;
}

/** What a batch can do with each of its images. */
const READERS = {
  geolocate: geolocateOptions,
  embed: embedOptions,
  synthesize: synthesizeOptions,
} satisfies Partial<Record<JobKind, OptionReader>>;

export type BatchTask = keyof typeof READERS;
const TASKS = ['geolocate', 'embed', 'synthesize'] as const satisfies readonly BatchTask[];

export const TaskSchema = z
  .enum(TASKS, { error: `must be ${TASKS.join(', ')}` })
  .openapi({ description: 'What is done with each image' });

/**
 * The options of one image: its own, and for the rest those of the batch. `place` is where the image's own stand in the request
 * (`#/images/3`). Throws INVALID_REQUEST.
 */
export function optionsOfJson(
  task: BatchTask,
  { common, own, place }: { common: Fields; own: Fields; place: string },
): object {
  const pointerOf: PointerOf = (path) =>
    path[0] !== undefined && Object.hasOwn(own, path[0])
      ? `${place}${jsonPointer(path).slice(1)}`
      : jsonPointer(['options', ...path]);
  return READERS[task].fromJson({ ...common, ...own }, pointerOf);
}

/** The options of one image from the columns of a table. Throws INVALID_REQUEST. */
export function optionsOfText(task: BatchTask, own: Readonly<Record<string, string>>, place: string): object {
  return READERS[task].fromText(own, (path) => `${place}${jsonPointer(path).slice(1)}`);
}

type Fields = Readonly<Record<string, unknown>>;

/** Problems that are told of at one time. */
const MAX_TOLD = 20;

/** `read` for each; what is wrong with several is told together. Throws INVALID_REQUEST. */
export function eachImage<T, R>(images: readonly T[], read: (image: T, index: number) => R): R[] {
  const found: R[] = [];
  const wrong: FieldError[] = [];
  for (const [index, image] of images.entries()) {
    try {
      found.push(read(image, index));
    } catch (error) {
      const errors = fieldErrorsOf(error);
      if (errors.length === 0) throw error;
      wrong.push(...errors);
      if (wrong.length >= MAX_TOLD) break;
    }
  }
  if (wrong.length > 0) throw invalidInput(wrong.slice(0, MAX_TOLD));
  return found;
}
