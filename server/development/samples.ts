import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writePackage, type PackageSource } from '../../formats/index.ts'

/** 2026-01-02T03:04:05Z: the samples are the same bytes whenever they are made. */
const BUILT_AT = 1_767_323_045

/** Three small packages: one fileset, several filesets, and an update of type S. */
const SAMPLES: Readonly<Record<string, PackageSource>> = {
  'PkgA.1.0.0.0.bff': {
    package: 'PkgA',
    type: 'I',
    builtAt: BUILT_AT,
    filesets: [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0', description: 'Sample runtime' }],
    payload: [{ path: './usr/lpp/PkgA/README', bytes: Buffer.from('A sample package.\n') }],
  },
  'PkgB.2.1.0.0.bff': {
    package: 'PkgB',
    type: 'I',
    builtAt: BUILT_AT,
    filesets: [
      { fileset: 'PkgB.rte', vrmf: '2.1.0.0', description: 'Sample runtime' },
      { fileset: 'PkgB.man.en_US', vrmf: '2.1.0.0', description: 'Sample manual pages' },
      { fileset: 'PkgB.adt', vrmf: '2.1.0.3', description: 'Sample toolkit' },
    ],
    payload: [{ path: './usr/lpp/PkgB/README', bytes: Buffer.from('A sample package with three filesets.\n') }],
  },
  'PkgC.rte.7.3.2.1.U': {
    package: 'PkgC',
    type: 'S',
    builtAt: BUILT_AT,
    filesets: [{ fileset: 'PkgC.rte', vrmf: '7.3.2.1', description: 'Sample update' }],
    payload: [{ path: './usr/lpp/PkgC/PkgC.rte/7.3.2.1/README', bytes: Buffer.from('A sample update.\n') }],
  },
}

/** A table of contents as `inutoc` writes it, so that a listing shows what is skipped. */
const TOC = '0 010203042026 2\nPkgA.1.0.0.0.bff 4 R I PkgA {\nPkgA.rte 1.0.0.0 01 N U en_US Sample runtime\n}\n'

/** Writes the sample packages and a table of contents into a directory. Returns the names of the packages. */
export async function writeSamples(directory: string): Promise<readonly string[]> {
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, '.toc'), TOC)
  for (const [name, source] of Object.entries(SAMPLES)) await writeFile(join(directory, name), writePackage(source))
  return Object.keys(SAMPLES)
}
