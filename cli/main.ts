#!/usr/bin/env node
// This file must parse on Node 14, so that an old Node names the version to install and not a syntax error: nothing is imported
// before the check, and no syntax here is newer than ES2019.

const [major, minor] = process.versions.node.split('.').map(Number) as [number, number]

if (major > 24 || (major === 24 && minor >= 2)) {
  import('./compile-cache.ts').then(({ keepCompiled }) => {
    keepCompiled(import.meta.url)
    return import('./run.ts')
  }).then(({ runProcess }) => runProcess()).catch((error: unknown) => {
    process.exitCode = 70
    console.error(error)
  })
} else {
  console.error(`sign needs Node 24.2 or newer; this is Node ${process.versions.node}; install it from nodejs.org or with your package manager`)
  process.exitCode = 2
}
