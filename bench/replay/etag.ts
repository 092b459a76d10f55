/**
 * An entity tag without its quotes. A weak one keeps its mark, so that it equals no version.
 *
 * A copy on purpose: what the engine cuts out of a string keeps the whole string alive, and tags
 * are remembered long after the headers they came in.
 */
export function bareEtag(etag: string): string {
  const bare = etag.startsWith('"') ? etag.slice(1, -1) : etag;
  return Buffer.from(bare, 'latin1').toString('latin1');
}
