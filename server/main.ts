#!/usr/bin/env node
import { keepHeapSmall } from './small-heap.ts'

// This file must parse on old versions of Node, so that they can say what they lack: no top-level await, no new syntax.
const isTooOld = process.versions.node.localeCompare('24.2.0', 'en', { numeric: true }) < 0
if (isTooOld) {
  console.error(`signing-server needs Node 24.2 or newer and this is Node ${process.versions.node}; install Node 24 or newer and try again`)
  process.exitCode = 1
} else {
  keepHeapSmall()
  // Whoever reads a help or a result may have read enough (`| head`); whatever else is being done goes on.
  for (const output of [process.stdout, process.stderr]) {
    output.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
  // What it does not catch itself ends the process with its stack and status 1, as Node does.
  void start()
}

async function start(): Promise<void> {
  const { keepCompiled, shareCompiled } = await import('./compile-cache.ts')
  keepCompiled(import.meta.url)
  const { runCommand } = await import('./command.ts')
  shareCompiled()
  process.exitCode = await runCommand(process.argv.slice(2))
}
