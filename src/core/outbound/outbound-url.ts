/** A URL that something may be sent to, as far as its text tells; its addresses are another question. */
export interface OutboundUrl {
  readonly origin: string;
  /** With the query. */
  readonly path: string;
  /** A name, or an address in its usual notation without brackets. */
  readonly host: string;
}

export const MAX_URL_CHARACTERS = 2048;

/** Tabs and line breaks are dropped by `URL` without a word: what would be sent is not what was written. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
const WHITESPACE_OR_CONTROL = /[\u0000-\u0020\u007f-\u00a0\u2028\u2029]/;

/** `URL` turns every way to write an address (octal, hexadecimal, one number, percent encoding) into the usual one. */
export function parseOutboundUrl(text: string): OutboundUrl | { readonly why: string } {
  if (text.length > MAX_URL_CHARACTERS) return { why: `it has more than ${MAX_URL_CHARACTERS} characters` };
  if (WHITESPACE_OR_CONTROL.test(text)) return { why: 'it must not hold spaces or control characters' };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) return { why: 'it is no absolute URL' };
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return { why: 'only http and https are allowed' };
  if (url.username !== '' || url.password !== '') return { why: 'it must not hold credentials' };
  return { origin: url.origin, path: `${url.pathname}${url.search}`, host: url.hostname.replace(/^\[(.*)\]$/, '$1') };
}
