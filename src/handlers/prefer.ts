/** What a caller would like (RFC 7240); this service knows two preferences. */
export interface Preferences {
  /** Rather a job now than an answer later. */
  readonly isAsync: boolean;
  /** Seconds that the caller waits for the answer before it takes the job; undefined unless stated. */
  readonly waitS: number | undefined;
}

/** A token, and after `=` a token or a quoted string. */
const PREFERENCE = /^([!#$%&'*+.^_`|~\w-]+)(?:[ \t]*=[ \t]*([!#$%&'*+.^_`|~\w-]+|"(?:[^"\\]|\\.)*"))?$/;
const SECONDS = /^\d{1,9}$/;

/**
 * Reads the header `Prefer`, several of which arrive joined by commas. A preference is never a reason to refuse: what is
 * malformed or not known is left out. Of one that is stated twice the first counts; parameters (`;foo=bar`) mean nothing here.
 */
export function parsePrefer(header: string | undefined): Preferences {
  const stated = new Map<string, string>();
  for (const element of split(header ?? '', ',')) {
    const [preference = ''] = split(element, ';');
    const [, name, word = ''] = PREFERENCE.exec(preference.trim()) ?? [];
    if (name === undefined || stated.has(name.toLowerCase())) continue;
    stated.set(name.toLowerCase(), word.startsWith('"') ? word.slice(1, -1).replaceAll(/\\(.)/g, '$1') : word);
  }
  const wait = stated.get('wait') ?? '';
  return {
    isAsync: stated.get('respond-async') === '', // it takes no value
    waitS: SECONDS.test(wait) ? Number(wait) : undefined,
  };
}

/** At every separator that is not within quotes. A quote that is not closed reaches to the end. */
function split(text: string, separator: ',' | ';'): string[] {
  const parts = [''];
  for (const [piece] of text.matchAll(/"(?:[^"\\]|\\.)*"?|[^",;]+|[,;]|./gs)) {
    if (piece === separator) parts.push('');
    else parts.push(`${parts.pop() ?? ''}${piece}`);
  }
  return parts;
}
