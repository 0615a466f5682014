/** An image as a program has it. A stream is read to its end before it is sent: a call that is tried again sends it again. */
export type ImageBytes = Blob | ArrayBuffer | Uint8Array | ReadableStream<Uint8Array>;

/** An image that the service fetches by itself: http or https, at an address that it reaches. */
export interface ImageUrl {
  readonly url: string;
}

export type ImageInput = ImageBytes | ImageUrl;

export function isImageUrl(image: object): image is ImageUrl {
  return 'url' in image && typeof image.url === 'string';
}

/** Images are sent all by their bytes or all by their addresses; throws a TypeError for some of each. */
export function splitImages(images: readonly ImageInput[]) {
  const urls: ImageUrl[] = images.filter((image) => isImageUrl(image));
  const bytes = images.flatMap((image) => (isImageUrl(image) ? [] : [image]));
  if (urls.length > 0 && bytes.length > 0) {
    throw new TypeError('Send either files or URLs in one call, not both.');
  }
  return { urls, files: () => Promise.all(bytes.map(blobOf)) };
}

/** The form that the verbs take; made anew for each try, because what was sent may be used up. */
export function formOf(files: readonly Blob[], options: object): FormData {
  const form = new FormData();
  for (const file of files) form.append('image', file, 'image');
  form.append('options', JSON.stringify(options));
  return form;
}

export function listOf<T>(value: T | readonly T[]): readonly T[] {
  return isList(value) ? value : [value];
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}

/** The bytes as a file; of what type it is tells nothing, because the service recognises images by their first bytes. */
async function blobOf(image: ImageBytes): Promise<Blob> {
  if (image instanceof Blob) return image;
  if (image instanceof ReadableStream) return new Response(image).blob();
  return new Blob([image instanceof ArrayBuffer ? image : new Uint8Array(image)]);
}
