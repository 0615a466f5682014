import { HttpProblem } from './problems.ts';

/** One part of a multipart/form-data body. Its bytes come once, and only until the next part is asked for. */
export interface FormPart {
  /** Of the form's field. */
  readonly name: string;
  /** Undefined for a field that is no file. */
  readonly filename: string | undefined;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Headers of one part, the blank line included. */
const MAX_HEADER_BYTES = 8 * 1024;
/** Whatever stands before the first delimiter; nobody sends anything there. */
const MAX_PREAMBLE_BYTES = 1024;
/** White space between a delimiter and its line's end. */
const MAX_PADDING_BYTES = 64;
const BOUNDARY = /^[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]$/;

const CR = 13;
const LF = 10;
const DASH = 45;

/** The boundary of a `multipart/form-data` content type. Throws MALFORMED_BODY where it has none, or no proper one. */
export function boundaryOf(contentType: string): string {
  const [, quoted, token] = /;[ \t]*boundary=(?:"([^"]*)"|([^\s;"]+))[ \t]*(?:;|$)/i.exec(contentType) ?? [];
  const boundary = quoted ?? token ?? '';
  if (BOUNDARY.test(boundary)) return boundary;
  throw malformed('its content type states no proper boundary');
}

/**
 * Reads a form part by part (RFC 7578), holding little more than one chunk of `chunks`: a part's body is handed on as it
 * comes. What the consumer leaves of a body is skipped. Throws MALFORMED_BODY.
 */
export async function* readMultipart(
  chunks: AsyncIterable<Uint8Array>,
  boundary: string,
): AsyncGenerator<FormPart, void, undefined> {
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  const source = new Window(chunks);
  source.prepend('\r\n'); // the first delimiter stands at the start of a line, too
  try {
    await skipPreamble(source, delimiter);
    while (await opensPart(source)) {
      const head = parseHead(await readHead(source));
      const body = source.until(delimiter);
      // without `return`: a consumer that stops early does not end what the next part is found by
      yield { ...head, body: { [Symbol.asyncIterator]: () => ({ next: () => body.next() }) } };
      for await (const _left of body); // of a body that was read to its end nothing is left
    }
    await source.drain(); // an epilogue is allowed, and ignored
  } finally {
    await source.close();
  }
}

/** The bytes that have come and are not used yet. */
class Window {
  #held: Buffer = Buffer.alloc(0);
  readonly #chunks: AsyncIterator<Uint8Array>;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  prepend(text: string): void {
    this.#held = Buffer.concat([Buffer.from(text, 'latin1'), this.#held]);
  }

  get held(): Buffer {
    return this.#held;
  }

  /** Removes and returns the first bytes. */
  take(sizeBytes: number): Buffer {
    const taken = this.#held.subarray(0, sizeBytes);
    this.#held = this.#held.subarray(sizeBytes);
    return taken;
  }

  /** Waits for more. Throws MALFORMED_BODY at the end. */
  async more(): Promise<void> {
    const next = await this.#chunks.next();
    if (next.done === true) throw malformed('it ends before its last delimiter');
    this.#held = this.#held.length === 0 ? Buffer.from(next.value) : Buffer.concat([this.#held, next.value]);
  }

  /** Everything before `delimiter`, as it comes; the delimiter is taken too. */
  async *until(delimiter: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const at = this.#held.indexOf(delimiter);
      if (at >= 0) {
        const last = this.take(at);
        this.take(delimiter.length);
        if (last.length > 0) yield last;
        return;
      }
      // what may be the beginning of the delimiter stays until its rest has come
      const safe = this.#held.length - delimiter.length + 1;
      if (safe > 0) yield this.take(safe);
      await this.more();
    }
  }

  async drain(): Promise<void> {
    this.#held = Buffer.alloc(0);
    while ((await this.#chunks.next()).done !== true);
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

async function skipPreamble(source: Window, delimiter: Buffer): Promise<void> {
  let at = source.held.indexOf(delimiter);
  while (at < 0) {
    if (source.held.length > MAX_PREAMBLE_BYTES) throw malformed('its boundary is not where a form begins');
    await source.more();
    at = source.held.indexOf(delimiter);
  }
  source.take(at + delimiter.length);
}

/** After a delimiter: a line's end and another part, or `--` and the end of the form. */
async function opensPart(source: Window): Promise<boolean> {
  for (let at = 0; at <= MAX_PADDING_BYTES; ) {
    while (source.held.length < at + 2) await source.more();
    const [first, second] = source.held.subarray(at, at + 2);
    if (at === 0 && first === DASH && second === DASH) {
      source.take(2);
      return false;
    }
    if (first === CR && second === LF) {
      source.take(at + 2);
      return true;
    }
    if (first !== 32 && first !== 9) break;
    at += 1;
  }
  throw malformed('a delimiter is followed by something else than a line’s end');
}

/** The header lines of a part, without the blank line that ends them. */
async function readHead(source: Window): Promise<string> {
  for (;;) {
    if (source.held.length >= 2 && source.held[0] === CR && source.held[1] === LF) {
      source.take(2);
      return '';
    }
    const end = source.held.indexOf('\r\n\r\n');
    if (end > MAX_HEADER_BYTES || (end < 0 && source.held.length > MAX_HEADER_BYTES)) {
      throw malformed(`a part’s headers have more than ${MAX_HEADER_BYTES} bytes`);
    }
    if (end >= 0) {
      const head = decodeUtf8(source.take(end));
      source.take(4);
      return head;
    }
    await source.more();
  }
}

function parseHead(head: string): Pick<FormPart, 'name' | 'filename'> {
  const dispositions: string[] = [];
  for (const line of head.split('\r\n')) {
    const [, name, value = ''] = /^([!#$%&'*+.^_`|~\w-]+):(.*)$/s.exec(line) ?? [];
    if (name === undefined || CONTROL.test(value)) throw malformed('a part has a header that is none');
    if (name.toLowerCase() === 'content-disposition') dispositions.push(value.trim());
    if (name.toLowerCase() === 'content-transfer-encoding' && !/^\s*(binary|8bit|7bit)\s*$/i.test(value)) {
      throw malformed('a part is encoded; parts are sent as they are');
    }
  }
  const [disposition, second] = dispositions;
  if (disposition === undefined || second !== undefined) throw malformed('a part needs one Content-Disposition');
  return parseDisposition(disposition);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;
const PARAMETER = /[ \t]*;[ \t]*([!#$%&'*+.^_`|~\w-]+)=(?:"([^"]*)"(?=[ \t]*(?:;|$))|([^\s;"]*))/y;
const PARAMETER_WITH_ESCAPES = /[ \t]*;[ \t]*([!#$%&'*+.^_`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/sy;

/**
 * `form-data; name="image"; filename="a.jpg"`: browsers write quotes within as %22 and leave a backslash alone, also before the last
 * quote; others write a backslash before a quote, and are read so where the first reading fails.
 */
function parseDisposition(text: string): Pick<FormPart, 'name' | 'filename'> {
  const type = /^form-data(?=[ \t]*(?:;|$))/i.exec(text);
  if (type === null) throw malformed('a part is no form-data');
  const parameters =
    parametersOf(text, type[0].length, PARAMETER) ?? parametersOf(text, type[0].length, PARAMETER_WITH_ESCAPES);
  if (parameters === undefined) throw malformed('a part’s Content-Disposition cannot be read');
  const name = parameters.get('name');
  if (name === undefined) throw malformed('a part has no name');
  return { name, filename: parameters.get('filename') };
}

/** Undefined where the text has another form; MALFORMED_BODY for a parameter that it states twice. */
function parametersOf(text: string, from: number, form: RegExp): Map<string, string> | undefined {
  const parameters = new Map<string, string>();
  for (form.lastIndex = from; form.lastIndex < text.length; ) {
    const [, name = '', quoted, token = ''] = form.exec(text) ?? [];
    if (name === '') return undefined;
    if (parameters.has(name.toLowerCase())) throw malformed(`a part states its ${name} twice`);
    parameters.set(name.toLowerCase(), quoted === undefined ? token : withoutEscapes(quoted));
  }
  return parameters;
}

/** A backslash escapes only a quote or itself: some write Windows paths as they are. */
function withoutEscapes(quoted: string): string {
  return quoted.replaceAll(/\\(["\\])/g, '$1').replaceAll(/%22/g, '"');
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw malformed('a part’s headers are not in UTF-8', cause);
  }
}

function malformed(why: string, cause?: unknown): HttpProblem {
  return new HttpProblem('MALFORMED_BODY', `The body is no proper multipart/form-data: ${why}.`, { cause });
}
