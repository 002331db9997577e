#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'

// This file must parse on old versions of Node, so that they can say what they lack: no top-level await, no new syntax.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 24 || (major === 24 && minor < 2)) {
  console.error(`signing-server needs Node 24.2 or newer and this is Node ${process.versions.node}; install Node 24 or newer and try again`)
  process.exitCode = 1
} else {
  // Before anything is loaded: the space for young objects stays as small as it starts. Where it may grow, start-up alone leaves some
  // 50 MB resident that nothing uses again, and signing is no faster for it (measured over 3,000 packages).
  setFlagsFromString('--semi-space-growth-factor=1')
  import('./command.ts').then(({ runCommand }) => runCommand(process.argv.slice(2))).then(
    (status) => {
      process.exitCode = status
    },
    (error) => {
      console.error(error)
      process.exitCode = 1
    },
  )
}
