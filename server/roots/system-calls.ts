import { close, closeSync, fstat, fstatSync, lstat, lstatSync, open, openSync, readlink, readlinkSync, realpath, realpathSync, stat, statSync, type Stats } from 'node:fs'
import { realpath as realpathPromised } from 'node:fs/promises'
import { promisify } from 'node:util'

/** A system call on a path or a descriptor, before somebody makes it. */
type SystemCall = Readonly<
  { kind: 'lstat' | 'stat' | 'readlink' | 'realpath' | 'realpathBytes'; path: string } | { kind: 'open'; path: string; flags: number } | { kind: 'fstat' | 'close'; fd: number }
>

/**
 * Steps that make system calls on their way to a result. What they decide is written once and runs either way: on the event loop, which
 * must wait for no disk, or at once in a worker thread, where a hop to another thread for each call would cost more than the calls.
 */
export type Steps<T> = Generator<SystemCall, T, unknown>

function* made<T>(wanted: SystemCall): Steps<T> {
  return (yield wanted) as T
}

/** Steps to the status of what a path names, a link itself and not what it leads to. */
export const lstatOf = (path: string): Steps<Stats> => made({ kind: 'lstat', path })

/** Steps to the status of what a path leads to. */
export const statOf = (path: string): Steps<Stats> => made({ kind: 'stat', path })

/** Steps to the status of what is open. */
export const fstatOf = (fd: number): Steps<Stats> => made({ kind: 'fstat', fd })

/** Steps to what a link says. */
export const readlinkOf = (path: string): Steps<string> => made({ kind: 'readlink', path })

/** Steps to the path without links. */
export const realpathOf = (path: string): Steps<string> => made({ kind: 'realpath', path })

/** Steps to the path without links as the system has it, which may be no UTF-8. */
export const realpathBytesOf = (path: string): Steps<Buffer> => made({ kind: 'realpathBytes', path })

/** Steps to a descriptor. */
export const descriptorOf = (path: string, flags: number): Steps<number> => made({ kind: 'open', path, flags })

/** Steps that close a descriptor. */
export const closing = (fd: number): Steps<void> => made({ kind: 'close', fd })

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
    case 'realpathBytes': return realpathSync.native(wanted.path, { encoding: 'buffer' })
    case 'open': return openSync(wanted.path, wanted.flags)
    case 'fstat': return fstatSync(wanted.fd)
    case 'close': return closeSync(wanted.fd)
  }
}

const later = { lstat: promisify(lstat), stat: promisify(stat), readlink: promisify(readlink), realpath: promisify(realpath.native), realpathBytes: async (path: string) => await realpathPromised(path, { encoding: 'buffer' }), open: promisify(open), fstat: promisify(fstat), close: promisify(close) }

async function call(wanted: SystemCall): Promise<unknown> {
  switch (wanted.kind) {
    case 'open': return await later.open(wanted.path, wanted.flags)
    case 'fstat': return await later.fstat(wanted.fd)
    case 'close': return await later.close(wanted.fd)
    default: return await later[wanted.kind](wanted.path)
  }
}
