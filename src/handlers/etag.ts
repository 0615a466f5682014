/** Whether `If-None-Match` names the entity tag: weak comparison, as it asks for. */
export function holds(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((item) => item.trim() === '*' || item.trim().replace(/^W\//, '') === etag);
}
