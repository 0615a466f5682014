import { Geo2Error } from '../errors.ts';

/** A record of a CSV by column name, and the line of the file on which it starts (the header is on line 1). */
export interface CsvRow {
  readonly line: number;
  readonly fields: Readonly<Record<string, string>>;
}

/** Rows of a CSV with a header line (RFC 4180: quotes, doubled quotes, CRLF; empty lines are skipped). Throws SOURCE_INVALID. */
export function parseCsv(
  text: string,
  { file, columns }: { file: string; columns: readonly string[] },
): readonly CsvRow[] {
  const [header, ...records] = readRecords(text.startsWith('\ufeff') ? text.slice(1) : text, file);
  const names = (header?.cells ?? []).map((name) => name.trim());
  const missing = columns.filter((column) => !names.includes(column));
  if (missing.length > 0) {
    throw invalid(file, `needs the columns ${columns.join(',')}; it lacks ${missing.join(', ')}`);
  }
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw invalid(file, `has the column ${JSON.stringify(twice)} twice`);
  return records.map(({ line, cells }) => {
    if (cells.length !== names.length) {
      throw invalid(file, `line ${line} has ${cells.length} fields, its header has ${names.length}`);
    }
    return { line, fields: Object.fromEntries(names.map((name, i) => [name, cells[i] ?? ''])) };
  });
}

interface Line {
  readonly line: number;
  readonly cells: readonly string[];
}

function readRecords(text: string, file: string): Line[] {
  const records: Line[] = [];
  let cells: string[] = [];
  let line = 1;
  let next = 1;
  const field = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n|\n|\r|$)/y;
  while (field.lastIndex < text.length) {
    const found = field.exec(text);
    if (found === null)
      throw invalid(file, `line ${next} has a quote that is not closed, or text beside a quoted field`);
    const [, value = '', end = ''] = found;
    next += value.split('\n').length - 1;
    cells.push(value.startsWith('"') ? value.slice(1, -1).replaceAll('""', '"') : value);
    if (end === ',' && field.lastIndex < text.length) continue;
    if (end === ',') cells.push('');
    else if (end !== '') next += 1;
    if (cells.length > 1 || cells[0] !== '') records.push({ line, cells });
    cells = [];
    line = next;
  }
  return records;
}

function invalid(file: string, why: string): Geo2Error {
  return new Geo2Error('SOURCE_INVALID', `${file} ${why}.`, { data: { file } });
}
