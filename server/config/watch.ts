import { setTimeout as sleep } from 'node:timers/promises'
import { changedFiles, markFiles, type Marks } from './marks.ts'

/** Looks at files again and again, so that it works on every file system and for every way of replacing a file. */
export interface FileWatch {
  /** What is watched from now on, as it was when somebody last acted on it. */
  seen(marks: Marks): void
  close(): void
}

export type FileWatchOptions = Readonly<{
  marks: Marks
  /** How often it looks; 0: never. */
  pollMs: number
  /** Called when files have changed and settled; until it resolves nothing more is told. */
  changed: (paths: readonly string[]) => Promise<void>
}>

/** Files that are written together are not done when the first one is: nothing must change for so long. */
const SETTLE_MS = 150

/** Starts to watch files. It does not keep the process alive. */
export function watchFiles({ marks, pollMs, changed }: FileWatchOptions): FileWatch {
  const closed = new AbortController()
  let seen = marks
  const look = async (): Promise<void> => {
    const now = await markFiles(seen.keys())
    const paths = changedFiles(seen, now)
    if (paths.length === 0) return
    seen = await settled(now, closed.signal)
    await changed(paths)
  }
  if (pollMs > 0) void repeat(look, pollMs, closed.signal)
  return { seen: (next) => void (seen = next), close: () => closed.abort() }
}

async function repeat(look: () => Promise<void>, everyMs: number, signal: AbortSignal): Promise<void> {
  try {
    for (;;) {
      await sleep(everyMs, undefined, { signal, ref: false })
      await look()
    }
  } catch {
    // It was closed; nothing else rejects.
  }
}

async function settled(marks: Marks, signal: AbortSignal): Promise<Marks> {
  await sleep(SETTLE_MS, undefined, { signal, ref: false })
  const now = await markFiles(marks.keys())
  return changedFiles(marks, now).length === 0 ? now : await settled(now, signal)
}
