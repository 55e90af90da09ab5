//! What those find who are asked to find something: nmap's ssl-enum-ciphers, and testssl.sh.

use std::fs;

use crate::server::Server;
use crate::tls_clients::{attempt, run, start};
use crate::world::World;

tests! {
    nmap_gives_every_cipher_an_a
    testssl_finds_nothing
}

fn nmap_gives_every_cipher_an_a() {
    let world = World::new();
    let _server = start(&world, "listen.implicit-addresses = [\"127.0.0.1:990\"]\n");
    let seen = run(&world, "nmap", &["-n", "-Pn", "-p", "21,990", "--script", "ssl-enum-ciphers", "127.0.0.1"]);
    let of = |text: &str| seen.lines().filter(|line| line.trim_start_matches(['|', '_', ' ']).starts_with(text)).count();
    assert_eq!((of("TLSv1.2:"), of("TLSv1.3:"), of("TLSv1"), of("SSLv")), (2, 2, 4, 0), "{seen}");
    assert_eq!((of("least strength: A"), of("cipher preference: server"), of("warnings")), (2, 4, 0), "{seen}");
    let ciphers: Vec<&str> = seen.lines().filter(|line| line.contains("_WITH_")).collect();
    assert!(ciphers.len() == 12 && ciphers.iter().all(|line| line.ends_with(" - A")), "{seen}");
}

/// A certificate like those one pays for: signed by somebody who can take it back. Returns the authority's file.
fn certify(world: &World) -> String {
    let directory = world.own_directory("etc");
    let authority = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
    let [ca, ca_key, request, key, chain, extensions] =
        ["ca.crt", "ca.key", "server.csr", "server.key", "server.crt", "server.ext"]
            .map(|name| directory.join(name).to_str().expect("UTF-8").to_owned());
    fs::write(
        &extensions,
        "subjectAltName = DNS:ftp.example, IP:127.0.0.1\nextendedKeyUsage = serverAuth\n\
         crlDistributionPoints = URI:http://127.0.0.1/crl\n",
    )
    .expect("file");
    run(world, "openssl", &[&authority[..], &["-subj", "/CN=Authority", "-keyout", &ca_key, "-out", &ca]].concat());
    let asked = [&["req", "-newkey"], &authority[3..7], &["-subj", "/CN=ftp.example", "-keyout", &key, "-out", &request]];
    run(world, "openssl", &asked.concat());
    let sign = ["x509", "-req", "-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial", "-days", "90"];
    run(world, "openssl", &[&sign[..], &["-extfile", &extensions, "-out", &chain]].concat());
    ca
}

fn testssl_finds_nothing() {
    let world = World::new();
    let authority = certify(&world);
    let directory = world.own_directory("etc");
    let _server = Server::start(
        &world,
        &format!(
            "tls.certificates = [{:?}]\ntls.keys = [{:?}]\n",
            directory.join("server.crt"),
            directory.join("server.key")
        ),
    );
    let findings = world.own_directory("client").join("findings.json");
    let (json, add) = (format!("--jsonfile={}", findings.display()), format!("--add-ca={authority}"));
    let checks = ["--protocols", "--std", "--fs", "--server-preference", "--server-defaults", "--vulnerable"];
    let how = ["--quiet", "--color=0", "--warnings=off", "--ip=127.0.0.1", "--nodns=none", &json, &add, "--starttls=ftp"];
    let output = attempt(&world, "testssl", &[&how[..], &checks, &["ftp.example:21"]].concat());
    let said = String::from_utf8_lossy(&output.stdout);
    let found = fs::read_to_string(&findings).unwrap_or_else(|error| panic!("{error}: {said}"));
    let (mut of, mut bad, mut good) = (String::new(), Vec::new(), 0);
    for line in found.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim().trim_end_matches(',').trim_matches('"');
        match name.trim().trim_matches('"') {
            "id" => value.clone_into(&mut of),
            // There is no DNS here that could say who may issue certificates for the name.
            "severity" if of == "DNS_CAArecord" => {}
            "severity" => match value {
                "OK" => good += 1,
                "INFO" => {}
                // That the openssl of this machine lacks something.
                "WARN" if of == "engine_problem" => {}
                // That it could not find out: it compares how many bytes openssl happened to read before it left. Other tests
                // resume sessions by tickets.
                "WARN" if of == "sessionresumption_ticket" => {}
                _ => bad.push(format!("{of}: {value}")),
            },
            _ => {}
        }
    }
    assert!(bad.is_empty(), "{bad:?}\n{said}");
    assert!(good > 30, "only {good} checks were made:\n{said}");
}
