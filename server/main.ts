#!/usr/bin/env node
import { keepHeapSmall } from './small-heap.ts'

// This file must parse on old versions of Node, so that they can say what they lack: no top-level await, no new syntax.
const isTooOld = process.versions.node.localeCompare('24.2.0', 'en', { numeric: true }) < 0
if (isTooOld) {
  console.error(`signing-server needs Node 24.2 or newer and this is Node ${process.versions.node}; install Node 24 or newer and try again`)
  process.exitCode = 1
} else {
  keepHeapSmall()
  // Whatever else is being done goes on, and without stderr there is nobody to tell.
  process.stdout.on('error', outputFailed)
  process.stderr.on('error', () => undefined)
  // What it does not catch itself ends the process with its stack and status 1, as Node does.
  void start()
}

/** Whoever reads a help or a result may have read enough (`| head`). Anything else, such as a full disk, is a failure. */
function outputFailed(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') return
  process.exitCode = 1
  console.error(`signing-server: the output could not be written: ${error.message}`)
}

async function start(): Promise<void> {
  const { keepCompiled, shareCompiled } = await import('./compile-cache.ts')
  keepCompiled(import.meta.url)
  const { runCommand } = await import('./command.ts')
  shareCompiled()
  const status = await runCommand(process.argv.slice(2))
  // Output that was lost meanwhile has set it.
  process.exitCode ??= status
}
