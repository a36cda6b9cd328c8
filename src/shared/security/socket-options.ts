/** The options with which a socket proves who it is: CURVE where data is encrypted, PLAIN on loopback. */
import type { KeyPair } from './join.js';

/** What both ends of a link know: how it is protected, and the token that proves who belongs to the run. */
export interface Protection {
  readonly encrypted: boolean;
  readonly token: KeyPair;
}

/**
 * For a socket that others connect to.
 * @param key what this end proves to have, where the link is encrypted
 */
export function serverOptions({ encrypted }: Protection, key: KeyPair) {
  // A domain makes libzmq ask the gate whatever the mechanism is.
  const zapDomain = 'lockstep';
  return encrypted
    ? { curveServer: true, curveSecretKey: key.secretKey, zapDomain }
    : { plainServer: true, zapDomain };
}

/**
 * For a socket that connects.
 * @param serverKey the public key that the other end must prove to have, where the link is encrypted
 */
export function clientOptions({ encrypted, token }: Protection, serverKey: string) {
  return encrypted
    ? { curveServerKey: serverKey, curvePublicKey: token.publicKey, curveSecretKey: token.secretKey }
    : { plainUsername: token.publicKey, plainPassword: token.secretKey };
}
