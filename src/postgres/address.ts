import { isIP } from 'node:net';

/** Whether a host is an address. Node is asked only where it looks like one: its pattern for IPv6 costs milliseconds. */
export function isAddress(host: string): boolean {
  return (host.includes(':') || /^[\d.]+$/.test(host)) && isIP(host) !== 0;
}
