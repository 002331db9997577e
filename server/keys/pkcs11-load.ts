import { createRequire } from 'node:module'
import { nameOf } from './pkcs11-cryptoki.ts'
import type { Cryptoki } from './pkcs11-cryptoki.ts'
import { TokenFault } from './pkcs11-objects.ts'

type Pkcs11Js = Readonly<{ PKCS11: new () => Cryptoki & { load(path: string): void } }>

/**
 * Loads a vendor's library into this process, with the optional package pkcs11js, which `require` finds. Only the process of a token
 * does that.
 * @throws TokenFault
 */
export function loadCryptoki(path: string, require = createRequire(import.meta.url)): Cryptoki {
  const { PKCS11 } = requirePkcs11Js(require)
  const library = new PKCS11()
  try {
    library.load(path)
    return library
  } catch (cause) {
    throw new TokenFault(`the module cannot be loaded: ${nameOf(cause)}`, { cause })
  }
}

function requirePkcs11Js(require: NodeJS.Require): Pkcs11Js {
  try {
    return require('pkcs11js') as Pkcs11Js
  } catch (cause) {
    throw new TokenFault('keys of kind pkcs11 need the package pkcs11js, built where a C++ compiler is: npm install pkcs11js@2', { cause })
  }
}
