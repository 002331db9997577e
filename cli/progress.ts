import type { Terminal } from './terminal.ts'

/**
 * How far a signing run is: files of the listing that are done, bytes of those that were signed, time since the listing came. Where
 * files are sent, `bytes` are those that were sent, of `totalBytes`.
 */
export type Progress = Readonly<{ done: number; total: number; bytes: number; totalBytes?: number | undefined; elapsedMs: number }>

/** A bar that follows a run. `add` counts one name, `sent` bytes on their way (fewer again, when a try is repeated), `stop` takes the bar away. */
export type ProgressBar = Readonly<{ add: (sizeBytes: number) => void; sent: (bytes: number) => void; stop: () => void }>

/** What a bar is about: so many files and, where they are sent, so many bytes. `now` is a clock in milliseconds. */
export type ProgressFacts = Readonly<{ total: number; totalBytes?: number | undefined; now: () => number }>

const DRAW_EVERY_MS = 100
const TICK_MS = 500
const BAR_MAX = 30
const BAR_MIN = 8

/**
 * Returns a bar of one line, shorter than `columns` so that no terminal wraps it:
 * `[=======>      ]  12/100 files  34.5 MiB  5.6 MiB/s  2:03 left`. What does not fit is left out, the bar first.
 */
export function renderProgress({ done, total, bytes, totalBytes, elapsedMs }: Progress, columns: number): string {
  const share = totalBytes === undefined || totalBytes === 0 ? done / total : Math.min(1, bytes / totalBytes)
  const files = `${String(done).padStart(String(total).length)}/${total} files`
  const left = share === 0 ? '-:--' : formatDuration((elapsedMs / share) * (1 - share))
  const text = [files, totalBytes === undefined ? formatBytes(bytes) : `${formatBytes(bytes)} of ${formatBytes(totalBytes)}`, elapsedMs === 0 ? '- B/s' : `${formatBytes((bytes / elapsedMs) * 1000)}/s`, `${left} left`].join('  ')
  const width = Math.min(BAR_MAX, columns - 1 - text.length - 3)
  return width < BAR_MIN ? text.slice(0, Math.max(0, columns - 1)) : `[${bar(share, width)}] ${text}`
}

function bar(share: number, width: number): string {
  const filled = Math.floor(share * width)
  return `${'='.repeat(Math.max(0, filled - 1))}${filled > 0 ? '>' : ''}`.padEnd(width)
}

/** Returns a number of bytes with its unit: `999 B`, `34.5 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB']
  let value = bytes
  while (value >= 1024 && units.length > 1) {
    value /= 1024
    units.shift()
  }
  return `${units[0] === 'B' ? Math.round(value) : value.toFixed(1)} ${units[0]}`
}

/** Returns a time in milliseconds as `0:07`, `12:34` or `1:02:03`, rounded up to seconds. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.ceil(durationMs / 1000)
  const pad = (part: number) => String(part).padStart(2, '0')
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(seconds % 60)}` : `${minutes}:${pad(seconds % 60)}`
}

/** Begins to show the progress of a run on a terminal; drawn at most ten times a second, and now and then while nothing happens. */
export function startProgress(terminal: Terminal, { total, totalBytes, now }: ProgressFacts): ProgressBar {
  const started = now()
  let drawn = Number.NEGATIVE_INFINITY
  let done = 0
  let bytes = 0
  const draw = () => {
    drawn = now()
    terminal.status((columns) => renderProgress({ done, total, bytes, totalBytes, elapsedMs: drawn - started }, columns))
  }
  const timer = setInterval(draw, TICK_MS)
  timer.unref()
  draw()
  const drawNowAndThen = () => {
    if (now() - drawn >= DRAW_EVERY_MS) draw()
  }
  return {
    add: (sizeBytes) => {
      done += 1
      // What was sent is counted on its way.
      if (totalBytes === undefined) bytes += sizeBytes
      drawNowAndThen()
    },
    sent: (more) => {
      bytes += more
      drawNowAndThen()
    },
    stop: () => {
      clearInterval(timer)
      terminal.status(undefined)
    },
  }
}
