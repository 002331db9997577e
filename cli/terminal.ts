import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { printable } from './printable.ts'

/** A stream that may be a terminal, as process.stdout is. */
export type OutputStream = Writable & Readonly<{ isTTY?: boolean | undefined; columns?: number | undefined }>

/** What the process gives a run of `sign`; tests give their own. */
export type Io = Readonly<{
  stdout: OutputStream
  stderr: OutputStream
  env: Readonly<Record<string, string | undefined>>
  /** The working directory of the process, absolute. */
  cwd: string
  /** The home directory of the user, absolute. */
  home: string
  platform: NodeJS.Platform
  /** Aborted with a {@link Stop} when the run shall end early. */
  signal: AbortSignal
  /** Milliseconds from any beginning, never backwards. */
  now: () => number
}>

/** Why a run ends early: Ctrl-C, or nobody reads stdout any more. */
export type Stop = Readonly<{ kind: 'interrupted' | 'output-closed' }>

/** Draws the status line for a width in columns. */
export type Status = (columns: number) => string

/** The two outputs with one status line below them, which is taken away before other text is written and drawn again after it. */
export type Terminal = Readonly<{
  /** Writes results to stdout, line ends included; the text must be printable. Waits while the reader is slow. */
  out: (text: string) => Promise<void>
  /** As `out`, for a file as it is. */
  bytes: (bytes: Uint8Array) => Promise<void>
  /** Writes one line to stderr and makes it printable. */
  line: (text: string) => void
  /** As `line`, for what `--quiet` leaves out. */
  note: (text: string) => void
  /** Shows the status line, or takes it away. */
  status: (status: Status | undefined) => void
  /** Whether a status line can be shown: stderr is a terminal, and `--quiet` was not given. */
  live: boolean
}>

const CLEAR = '\r\u001b[K'
/** Where the width is not known: a pseudo terminal that nobody gave a size says 0. */
const COLUMNS = 80

/** Returns the terminal of a run. Results go to stdout, everything else to stderr, so that a pipe carries results alone. */
export function createTerminal({ stdout, stderr, signal }: Pick<Io, 'stdout' | 'stderr' | 'signal'>, quiet: boolean): Terminal {
  let shown: Status | undefined
  const clear = () => shown !== undefined && stderr.write(CLEAR)
  const draw = () => shown !== undefined && stderr.write(`\r${shown(stderr.columns || COLUMNS)}\u001b[K`)
  const line = (text: string) => {
    clear()
    stderr.write(`${printable(text)}\n`)
    draw()
  }
  const write = async (content: string | Uint8Array) => {
    if (content.length === 0) return
    // Where stdout is no terminal, or another one than stderr, nothing is in its way.
    if (stdout.isTTY) clear()
    const room = stdout.write(content)
    if (stdout.isTTY) draw()
    // What is left when a run ends early is little enough to be kept.
    if (!room && !signal.aborted) await once(stdout, 'drain', { signal })
  }
  return {
    out: write,
    bytes: write,
    line,
    note: (text) => {
      if (!quiet) line(text)
    },
    status: (status) => {
      if (status === undefined) clear()
      shown = status
      draw()
    },
    live: stderr.isTTY === true && !quiet,
  }
}
