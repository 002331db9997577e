import { stat } from 'node:fs/promises'

/** A file as it was found: `text` is another one when it was written, replaced, moved or made anew since. When it changed last and when it was looked at, in milliseconds of the epoch. */
export type Mark = Readonly<{ text: string; changedMs: number; markedMs: number }>

/** Marks by path. */
export type Marks = ReadonlyMap<string, Mark>

/** Resolves with the marks of these files. Nothing is read of them, so they may be secret; a link has the mark of what it leads to. */
export async function markFiles(paths: Iterable<string>): Promise<Marks> {
  return new Map(await Promise.all([...new Set(paths)].map(async (path) => [path, await markOf(path)] as const)))
}

/** The paths whose marks are others than before, of those that were marked before. */
export function changedFiles(before: Marks, now: Marks): readonly string[] {
  return [...before].filter(([path, { text }]) => now.get(path)?.text !== text).map(([path]) => path)
}

// The time of the last change cannot be set, unlike that of the last modification: a file put back by a backup shows.
async function markOf(path: string): Promise<Mark> {
  const stats = await stat(path, { bigint: true }).catch(() => undefined)
  const markedMs = Date.now()
  if (stats === undefined) return { text: 'none', changedMs: markedMs, markedMs }
  const { dev, ino, size, mtimeNs, ctimeNs } = stats
  return { text: [dev, ino, size, mtimeNs, ctimeNs].join(':'), changedMs: Number(ctimeNs / 1_000_000n), markedMs }
}
