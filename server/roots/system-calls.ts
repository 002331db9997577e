import { close, closeSync, fstat, fstatSync, lstat, lstatSync, open, openSync, readlink, readlinkSync, realpath, realpathSync, stat, statSync, type Stats } from 'node:fs'
import { promisify } from 'node:util'

/** A system call on a path or a descriptor, before somebody makes it. */
type SystemCall = Readonly<
  { kind: 'lstat' | 'stat' | 'readlink' | 'realpath'; path: string } | { kind: 'open'; path: string; flags: number } | { kind: 'fstat' | 'close'; fd: number }
>

/**
 * Steps that make system calls on their way to a result. What they decide is written once and runs either way: on the event loop, which
 * must wait for no disk, or at once in a worker thread, where a hop to another thread for each call would cost more than the calls.
 */
export type Steps<T> = Generator<SystemCall, T, unknown>

/** Steps to the status of what a path names, a link itself and not what it leads to. */
export function* lstatOf(path: string): Steps<Stats> {
  return (yield { kind: 'lstat', path }) as Stats
}

/** Steps to the status of what a path leads to. */
export function* statOf(path: string): Steps<Stats> {
  return (yield { kind: 'stat', path }) as Stats
}

/** Steps to the status of what is open. */
export function* fstatOf(fd: number): Steps<Stats> {
  return (yield { kind: 'fstat', fd }) as Stats
}

/** Steps to what a link says. */
export function* readlinkOf(path: string): Steps<string> {
  return (yield { kind: 'readlink', path }) as string
}

/** Steps to the path without links. */
export function* realpathOf(path: string): Steps<string> {
  return (yield { kind: 'realpath', path }) as string
}

/** Steps to a descriptor. */
export function* descriptorOf(path: string, flags: number): Steps<number> {
  return (yield { kind: 'open', path, flags }) as number
}

/** Steps that close a descriptor. */
export function* closing(fd: number): Steps<void> {
  yield { kind: 'close', fd }
}

/** Takes the steps at once, keeping the thread waiting. */
export function takeAtOnce<T>(steps: Steps<T>): T {
  let step = steps.next()
  while (step.done !== true) {
    let result: unknown
    try {
      result = callAtOnce(step.value)
    } catch (error) {
      step = steps.throw(error)
      continue
    }
    step = steps.next(result)
  }
  return step.value
}

/** Takes the steps one after the other, keeping nobody waiting. */
export async function take<T>(steps: Steps<T>): Promise<T> {
  let step = steps.next()
  while (step.done !== true) {
    let result: unknown
    try {
      result = await call(step.value)
    } catch (error) {
      step = steps.throw(error)
      continue
    }
    step = steps.next(result)
  }
  return step.value
}

function callAtOnce(wanted: SystemCall): unknown {
  switch (wanted.kind) {
    case 'lstat': return lstatSync(wanted.path)
    case 'stat': return statSync(wanted.path)
    case 'readlink': return readlinkSync(wanted.path)
    case 'realpath': return realpathSync.native(wanted.path)
    case 'open': return openSync(wanted.path, wanted.flags)
    case 'fstat': return fstatSync(wanted.fd)
    case 'close': return closeSync(wanted.fd)
  }
}

const later = { lstat: promisify(lstat), stat: promisify(stat), readlink: promisify(readlink), realpath: promisify(realpath.native), open: promisify(open), fstat: promisify(fstat), close: promisify(close) }

async function call(wanted: SystemCall): Promise<unknown> {
  switch (wanted.kind) {
    case 'open': return await later.open(wanted.path, wanted.flags)
    case 'fstat': return await later.fstat(wanted.fd)
    case 'close': return await later.close(wanted.fd)
    default: return await later[wanted.kind](wanted.path)
  }
}
