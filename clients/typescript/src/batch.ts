import { type ImageInput, isImageUrl } from './image.ts';

/** One image of a batch, with a name to know it by and options of its own. */
export interface BatchImage<Options> {
  readonly image: ImageInput;
  /** Comes back with the result; the name of a `File` unless said, of other files `image-0`, `image-1`, … */
  readonly name?: string;
  readonly options?: Options;
}

export function isImage(item: ImageInput | BatchImage<object>): item is ImageInput {
  return !('image' in item);
}

/** The form of a batch of files; made anew for each try. */
export function formOfBatch(
  task: string,
  batch: { files: readonly Blob[]; items: readonly BatchImage<object>[]; options: object },
): FormData {
  const { files, items, options } = batch;
  const form = new FormData();
  form.append('task', task);
  form.append('options', JSON.stringify(options));
  if (items.some((item) => item.options !== undefined)) {
    form.append('imageOptions', JSON.stringify(items.map((item) => item.options ?? {})));
  }
  for (const [index, file] of files.entries()) {
    // a part without a file name is no file
    form.append('image', file, items[index]?.name ?? (file instanceof File ? file.name : `image-${index}`));
  }
  return form;
}

/** The list of a batch of URLs. */
export function listOfBatch(items: readonly BatchImage<object>[]) {
  return items.flatMap(({ image, name, options }) =>
    isImageUrl(image) ? [{ ...options, url: image.url, ...(name === undefined ? {} : { name }) }] : [],
  );
}
