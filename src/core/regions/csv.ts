import { Geo2Error } from '../errors.ts';

/** Rows of a CSV with a header line (RFC 4180: quotes, doubled quotes, CRLF), by column name. Throws SOURCE_INVALID. */
export function parseCsv(
  text: string,
  { file, columns }: { file: string; columns: readonly string[] },
): Record<string, string>[] {
  const [header, ...lines] = records(text.startsWith('﻿') ? text.slice(1) : text);
  const names = header ?? [];
  const missing = columns.filter((column) => !names.includes(column));
  if (missing.length > 0) {
    throw invalid(file, `needs the columns ${columns.join(',')}; it lacks ${missing.join(', ')}`);
  }
  return lines.map((cells, line) => {
    if (cells.length !== names.length) {
      throw invalid(file, `line ${line + 2} has ${cells.length} fields, its header has ${names.length}`);
    }
    return Object.fromEntries(names.map((name, i) => [name, cells[i] ?? '']));
  });
}

function records(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  const field = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r?\n|$)/y;
  while (field.lastIndex < text.length) {
    const found = field.exec(text);
    if (found === null) break;
    const [, value = '', end = ''] = found;
    row.push(value.startsWith('"') ? value.slice(1, -1).replaceAll('""', '"') : value);
    if (end === ',' && field.lastIndex < text.length) continue;
    if (end === ',') row.push('');
    if (row.length > 1 || row[0] !== '') rows.push(row);
    row = [];
  }
  return rows;
}

function invalid(file: string, why: string): Geo2Error {
  return new Geo2Error('SOURCE_INVALID', `${file} ${why}.`, { data: { file } });
}
