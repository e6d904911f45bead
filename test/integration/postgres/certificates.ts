import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** An authority of a test, in a directory of its own; `openssl` is the only program that makes certificates everywhere. */
export interface Authority {
  readonly certificate: string;
  /** A revocation list with the certificates named on it, as a file. */
  revoke(name: string): string;
  /** A certificate for these subject alternative names, with its key; for a client, `commonName` is the role. */
  issue(
    name: string,
    commonName: string,
    alternativeNames?: string,
  ): { readonly certificate: string; readonly key: string };
}

/** Makes an authority below `directory`. */
export function createAuthority(directory: string, name: string): Authority {
  const home = join(directory, name);
  mkdirSync(home);
  const at = (file: string) => join(home, file);
  const openssl = (...args: readonly string[]) =>
    execFileSync('openssl', args, { cwd: home, stdio: ['ignore', 'ignore', 'pipe'] });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  writeFileSync(at('index'), '');
  writeFileSync(
    at('ca.cnf'),
    '[ca]\ndefault_ca=own\n[own]\ndatabase=index\nserial=serial\nprivate_key=ca.key\ncertificate=ca.crt\ndefault_md=sha256\ndefault_crl_days=30\nnew_certs_dir=.\nrand_serial=yes\npolicy=any\ncopy_extensions=copy\nunique_subject=no\n[any]\ncommonName=supplied\n',
  );
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '30', '-subj', `/CN=${name}`);
  return {
    certificate: at('ca.crt'),
    issue: (file, commonName, alternativeNames) => {
      const extension = alternativeNames === undefined ? [] : ['-addext', `subjectAltName=${alternativeNames}`];
      openssl(
        'req',
        '-new',
        ...newKey,
        '-keyout',
        `${file}.key`,
        '-out',
        `${file}.csr`,
        '-subj',
        `/CN=${commonName}`,
        ...extension,
      );
      openssl(
        'ca',
        '-batch',
        '-config',
        'ca.cnf',
        '-days',
        '30',
        '-notext',
        '-in',
        `${file}.csr`,
        '-out',
        `${file}.crt`,
      );
      chmodSync(at(`${file}.key`), 0o600);
      return { certificate: at(`${file}.crt`), key: at(`${file}.key`) };
    },
    revoke: (file) => {
      openssl('ca', '-config', 'ca.cnf', '-revoke', `${file}.crt`);
      openssl('ca', '-config', 'ca.cnf', '-gencrl', '-out', `${file}.crl`);
      return at(`${file}.crl`);
    },
  };
}

/** The key once more, encrypted with a password. */
export function encryptKey(key: string, password: string, form: 'PKCS #8' | 'as before PKCS #8' = 'PKCS #8'): string {
  const encrypted = `${key}.${form === 'PKCS #8' ? '' : 'old-'}encrypted`;
  const command = form === 'PKCS #8' ? ['pkcs8', '-topk8', '-iter', '1'] : ['ec', '-aes256'];
  execFileSync('openssl', [...command, '-in', key, '-out', encrypted, '-passout', `pass:${password}`], {
    stdio: 'pipe',
  });
  chmodSync(encrypted, 0o600);
  return encrypted;
}
