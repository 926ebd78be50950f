"""What a route does with a request beside sending it on: query matches, redirects, splits,
rewrites, header changes and mirrors, each by what callers and upstreams can see.
"""

import json
import signal
import subprocess

from harness import (Case, answers, closes, free_address, hangs, in_turn, run_binary,
                     waits_for)


class QueryTest(Case):
    def routes(self, *routes):
        """Routes that answer with their own names."""
        return self.start({"listeners": [{"name": "main", "routes": [
            {"name": name, "match": match, "respond": {"body": name}}
            for name, match in routes]}]})

    def asked(self, daemon, target, fields=()):
        return self.request(daemon, "GET", target, fields).text

    def test_a_parameter_chooses_the_route(self):
        daemon = self.routes(("plain", {}),
                             ("debug", {"query": [{"name": "debug", "value": "1"}]}))
        self.assertEqual("debug", self.asked(daemon, "/?debug=1"))
        self.assertEqual("debug", self.asked(daemon, "/x?a=b&debug=1&c"))
        self.assertEqual("debug", self.asked(daemon, "/?d%65bug=%31"))
        for other in ("/", "/?debug=2", "/?DEBUG=1", "/?debug=2&debug=1", "/?debug=11", "/debug=1"):
            self.assertEqual("plain", self.asked(daemon, other), other)

    def test_values_are_compared_decoded_and_plus_is_a_space(self):
        daemon = self.routes(("plain", {}),
                             ("match", {"query": [{"name": "q", "value": "a b&c"}]}))
        for same in ("/?q=a+b%26c", "/?q=a%20b%26c", "/?q=%61%20%62%26%63"):
            self.assertEqual("match", self.asked(daemon, same), same)
        self.assertEqual("plain", self.asked(daemon, "/?q=a%2Bb%26c"))

    def test_the_other_conditions(self):
        daemon = self.routes(("plain", {}),
                             ("prefix", {"query": [{"name": "p", "prefix": "be"}]}),
                             ("regex", {"query": [{"name": "r", "regex": "^[0-9]+$"}]}),
                             ("there", {"query": [{"name": "t", "present": True}]}),
                             ("not", {"path": "/not", "query": [{"name": "n", "present": False}]}))
        for target, route in (("/?p=begin", "prefix"), ("/?p=abe", "plain"), ("/?r=12", "regex"),
                              ("/?r=x", "plain"), ("/?t", "there"), ("/?t=", "there"),
                              ("/not", "not"), ("/not?n=1", "plain")):
            self.assertEqual(route, self.asked(daemon, target), target)

    def test_most_parameters_come_first_and_headers_before_them(self):
        daemon = self.routes(("plain", {}),
                             ("one", {"query": [{"name": "a", "value": "1"}]}),
                             ("two", {"query": [{"name": "a", "value": "1"},
                                                {"name": "b", "value": "2"}]}),
                             ("header", {"headers": [{"name": "x-one", "value": "1"}]}))
        self.assertEqual("one", self.asked(daemon, "/?a=1"))
        self.assertEqual("two", self.asked(daemon, "/?b=2&a=1"))
        self.assertEqual("header", self.asked(daemon, "/?b=2&a=1", {"X-One": "1"}))

    def test_routes_that_differ_in_the_query_alone_are_no_error_and_equal_ones_are(self):
        daemon = self.routes(("a", {"query": [{"name": "x", "value": "1"}]}),
                             ("b", {"query": [{"name": "x", "value": "2"}]}))
        self.assertEqual("a", self.asked(daemon, "/?x=1"))
        self.assertEqual("b", self.asked(daemon, "/?x=2"))
        self.assertEqual(404, self.request(daemon, "GET", "/").status)

    def test_routes_shows_the_parameters(self):
        daemon = self.routes(("plain", {}), ("debug", {"query": [{"name": "debug", "value": "1"}]}))
        routes = {route["name"]: route for route in daemon.admin_json("/routes")["routes"]}
        self.assertEqual({"query": ["debug"]}, routes["debug"]["match"])


class RedirectTest(Case):
    def redirect(self, redirect, **more):
        return self.start({"listeners": [{"name": "main", "routes": [
            {"name": "r", "match": {"path_prefix": "/old"}, "redirect": redirect},
            {"name": "rest", "respond": {"body": "arrived"}}]}], **more})

    def location(self, daemon, target="/old/x?y=%20z", **options):
        return self.request(daemon, "GET", target, **options).fields.get("Location")

    def test_what_is_named_is_replaced_and_the_rest_kept(self):
        for redirect, location in (
                ({"scheme": "https"}, "https://test.local/old/x?y=%20z"),
                ({"host": "new.example"}, "http://new.example/old/x?y=%20z"),
                ({"host": "new.example:81"}, "http://new.example:81/old/x?y=%20z"),
                ({"path": "/new"}, "http://test.local/new?y=%20z"),
                ({"scheme": "https", "host": "n.e", "path": "/n"}, "https://n.e/n?y=%20z")):
            daemon = self.redirect(redirect)
            answer = self.request(daemon, "GET", "/old/x?y=%20z")
            self.assertEqual(308, answer.status)
            self.assertEqual([location], answer.fields.all("Location"), redirect)
            self.assertEqual(b"", answer.body)
            self.assertNotIn("Proxy-Status", answer.fields)

    def test_every_status(self):
        for status in (301, 302, 303, 307, 308):
            daemon = self.redirect({"status": status, "path": "/new"})
            self.assertEqual(status, self.request(daemon, "GET", "/old").status)

    def test_it_is_no_local_reply_and_is_counted_as_a_request(self):
        daemon = self.redirect({"path": "/new"})
        self.request(daemon, "GET", "/old")
        daemon.wait_metric("requests_total", 1, route="r", upstream="", code="308")
        self.assertFalse(daemon.metrics().has("local_replies_total"))
        routes = {route["name"]: route for route in daemon.admin_json("/routes")["routes"]}
        self.assertEqual({"status": 308, "path": "/new"}, routes["r"]["redirect"])

    def test_head_and_bodies_keep_the_connection_in_step(self):
        daemon = self.redirect({"path": "/new"})
        client = self.client(daemon)
        self.assertEqual(308, client.request("HEAD", "/old").status)
        self.assertEqual(308, client.request("POST", "/old", (), b"x" * 20000).status)
        self.assertEqual("arrived", client.request("GET", "/new").text)

    def test_policies_from_defaults_mean_nothing_to_it(self):
        daemon = self.redirect({"path": "/new"}, defaults={"route": {
            "limits": {"max_body_bytes": 1}, "timeouts": {"request": "1ms"},
            "circuit_breaker": {"consecutive_failures": 1}}})
        client = self.client(daemon)
        for _ in range(3):
            self.assertEqual(308, client.request("POST", "/old", (), b"x" * 100).status)

    def test_curl_follows_it(self):
        daemon = self.redirect({"status": 307, "path": "/new"})
        curl = subprocess.run(["curl", "-sL", "--max-time", "30", "-w", "%{num_redirects} %{http_code}",
                               "-d", "body", f"http://{daemon.address}/old/x?y"],
                              capture_output=True, text=True, check=True)
        self.assertEqual("arrived1 200", curl.stdout)


def tells(name, **fields):
    """An origin's behaviour: it answers with its name."""
    return answers(200, name.encode(), list(fields.items()))


def within_binomial(count, of, share, deviations=6):
    """Six standard deviations: one run in five hundred million fails by chance."""
    return abs(count - of * share) <= deviations * (of * share * (1 - share)) ** 0.5


class SplitTest(Case):
    def split(self, split, *origins, route=None, **more):
        return self.start({
            "shutdown": {"delay": "0s", "drain_timeout": "1s", "outbound": "immediate"},
            "listeners": [{"name": "main", "routes": [
                {"name": "r", "split": split, **(route or {})}], **more}],
            "upstreams": {f"u{i}": {"endpoints": [getattr(origin, "address", origin)]}
                          for i, origin in enumerate(origins)}})

    def count(self, daemon, requests, fields=lambda i: ()):
        counted = {}
        client = self.client(daemon)
        for i in range(requests):
            text = client.request("GET", "/", fields(i)).text
            counted[text] = counted.get(text, 0) + 1
        return counted

    def test_each_gets_its_share(self):
        origins = [self.origin(tells("a")), self.origin(tells("b")), self.origin(tells("c"))]
        daemon = self.split([{"upstream": "u0", "weight": 70}, {"upstream": "u1", "weight": 30},
                             {"upstream": "u2", "weight": 0}], *origins)
        counted = self.count(daemon, 1000)
        self.assertEqual({"a", "b"}, set(counted))
        self.assertTrue(within_binomial(counted["b"], 1000, 0.3), counted)
        self.assertEqual(0, len(origins[2].calls))

    def test_metrics_name_the_chosen_upstream_and_the_route_once(self):
        daemon = self.split([{"upstream": "u0", "weight": 1}, {"upstream": "u1", "weight": 1}],
                            self.origin(tells("a")), self.origin(tells("b")))
        counted = self.count(daemon, 50)
        for upstream, name in (("u0", "a"), ("u1", "b")):
            daemon.wait_metric("requests_total", counted.get(name, 0), route="r",
                               upstream=upstream, code="200")
            daemon.wait_metric("upstream_attempts_total", counted.get(name, 0),
                               upstream=upstream, outcome="success")
        metrics = daemon.metrics()
        self.assertEqual([({"listener": "main", "route": "r"}, 0)],
                         metrics.find("requests_in_flight", route="r"))
        routes = daemon.admin_json("/routes")["routes"]
        self.assertEqual([{"upstream": "u0", "weight": 1}, {"upstream": "u1", "weight": 1}],
                         routes[0]["split"])

    def test_a_caller_stays_by_a_header(self):
        daemon = self.split({"hash_on": {"header": "x-user"}, "to": [
            {"upstream": "u0", "weight": 1}, {"upstream": "u1", "weight": 1}]},
            self.origin(tells("a")), self.origin(tells("b")))
        first = [self.request(daemon, "GET", "/", {"X-User": f"user-{i}"}).text for i in range(60)]
        again = [self.request(daemon, "GET", "/", {"X-User": f"user-{i}"}).text for i in range(60)]
        self.assertEqual(first, again)
        self.assertEqual({"a", "b"}, set(first))
        # Without the header it is drawn anew.
        self.assertEqual({"a", "b"}, set(self.count(daemon, 60)))

    def test_a_caller_stays_by_a_cookie_issued_to_it(self):
        daemon = self.split({"hash_on": {"cookie": {"name": "lane", "ttl": "1h"}}, "to": [
            {"upstream": "u0", "weight": 1}, {"upstream": "u1", "weight": 1}]},
            self.origin(tells("a")), self.origin(tells("b")))
        seen = set()
        for _ in range(20):
            first = self.request(daemon, "GET", "/")
            cookie = first.fields.get("Set-Cookie")
            self.assertIsNotNone(cookie)
            self.assertTrue(cookie.startswith("lane="), cookie)
            for _ in range(5):
                again = self.request(daemon, "GET", "/", {"Cookie": cookie.split(";")[0]})
                self.assertEqual(first.text, again.text)
                self.assertNotIn("Set-Cookie", again.fields)
            seen.add(first.text)
        self.assertEqual({"a", "b"}, seen)

    def test_a_split_and_a_balancer_by_the_same_cookie_issue_one(self):
        upstream = {"load_balancer": {"policy": "maglev", "hash_on": {"cookie": {"name": "lane"}}}}
        origins = [self.origin(tells(name)) for name in "abcd"]
        daemon = self.start({
            "shutdown": {"delay": "0s", "drain_timeout": "1s", "outbound": "immediate"},
            "listeners": [{"name": "main", "routes": [{"name": "r", "split": {
                "hash_on": {"cookie": {"name": "lane"}},
                "to": [{"upstream": "u0"}, {"upstream": "u1"}]}}]}],
            "upstreams": {f"u{i}": {"endpoints": [origins[2 * i].address,
                                                  origins[2 * i + 1].address], **upstream}
                          for i in range(2)}})
        seen = set()
        for _ in range(30):
            first = self.request(daemon)
            cookies = first.fields.all("Set-Cookie")
            self.assertEqual(1, len(cookies), cookies)
            again = self.request(daemon, "GET", "/", {"Cookie": cookies[0].split(";")[0]})
            self.assertEqual(first.text, again.text)
            seen.add(first.text)
        # The split takes no part of its balancers' keys from them.
        self.assertEqual({"a", "b", "c", "d"}, seen)

    def test_by_source_ip_one_caller_has_one_upstream(self):
        daemon = self.split({"hash_on": "source_ip", "to": [
            {"upstream": "u0", "weight": 1}, {"upstream": "u1", "weight": 1}]},
            self.origin(tells("a")), self.origin(tells("b")))
        self.assertEqual(1, len(self.count(daemon, 50)))

    def test_a_retry_stays_with_the_chosen_upstream(self):
        good = self.origin(tells("b"))
        daemon = self.split([{"upstream": "u0", "weight": 1}, {"upstream": "u1", "weight": 0}],
                            free_address(), good, route={"retry": {"max_retries": 2}})
        self.assert_local(self.request(daemon), 502, "connect-failure")
        self.assertEqual(0, len(good.calls))

    def test_a_reload_changes_the_weights(self):
        origins = [self.origin(tells("a")), self.origin(tells("b"))]
        split = [{"upstream": "u0", "weight": 1}, {"upstream": "u1", "weight": 0}]
        daemon = self.split(split, *origins)
        self.assertEqual({"a": 20}, self.count(daemon, 20))
        config = {
            "shutdown": {"delay": "0s", "drain_timeout": "1s", "outbound": "immediate"},
            "listeners": [{"name": "main", "routes": [{"name": "r", "split": [
                {"upstream": "u0", "weight": 0}, {"upstream": "u1", "weight": 1}]}]}],
            "upstreams": {f"u{i}": {"endpoints": [origin.address]}
                          for i, origin in enumerate(origins)}}
        daemon.write_config(config)
        daemon.signal(signal.SIGHUP)
        self.eventually(lambda: self.request(daemon).text == "b", "the new weights")
        # What it had before stays counted.
        daemon.wait_metric("requests_total", lambda count: count >= 20, route="r", upstream="u0",
                           code="200")


class RewriteTest(Case):
    def seen(self, rewrite, target, match=None, listener=None, fields=(), upstream=None):
        """The request as the origin has it."""
        origin = self.origin()
        endpoint = (upstream or "{}").format(origin.address)
        daemon = self.proxy(endpoint, route={"rewrite": rewrite, "match": match or {}},
                            listener=listener)
        answer = self.request(daemon, "GET", target, fields)
        self.assertEqual(200, answer.status, answer.text)
        return origin.calls[0]

    def test_the_prefix_is_replaced_on_whole_segments(self):
        for target, matched, replacement, made in (
                ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
                ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
                ("/foo", "/foo", "/xyz", "/xyz"),
                ("/foo/", "/foo", "/xyz", "/xyz/"),
                ("/foo/bar", "/foo", "/", "/bar"),
                ("/foo", "/foo", "/", "/"),
                ("/foo?a=/foo&b=%20", "/foo", "/", "/?a=/foo&b=%20"),
                ("/f%6Fo/b%2Fr?x", "/foo", "/xyz", "/xyz/b%2Fr?x"),
                ("/foo/bar", "/", "/xyz", "/xyz/foo/bar")):
            call = self.seen({"path_prefix": replacement}, target, {"path_prefix": matched})
            self.assertEqual(made, call.target, (target, matched, replacement))

    def test_a_route_without_a_path_has_the_prefix_slash(self):
        self.assertEqual("/api/x?y", self.seen({"path_prefix": "/api"}, "/x?y").target)

    def test_an_exact_path_has_no_prefix(self):
        config = self.config(free_address(), route={"match": {"path": "/a"},
                                                    "rewrite": {"path_prefix": "/b"}})
        status, _, error = self.check(config)
        self.assertEqual(2, status)
        self.assertIn("rewrite.path_prefix", error)

    def check(self, config):
        path = f"{self.directory}/wrong.yaml"
        config = {**config, "listeners": [{"address": "127.0.0.1:1", **each}
                                          for each in config["listeners"]]}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        return run_binary("check", "-c", path)

    def test_host(self):
        call = self.seen({"host": "inner.example:81"}, "/x")
        self.assertEqual(["inner.example:81"], call.fields.all("Host"))

    def test_host_auto_is_the_endpoint_as_configured(self):
        call = self.seen({"host": "auto"}, "/x", upstream="{}")
        self.assertEqual([call.origin.address], call.fields.all("Host"))
        port = call.origin.port
        origin = self.origin()
        daemon = self.proxy(f"localhost:{origin.port}", route={"rewrite": {"host": "auto"}})
        self.assertEqual(200, self.request(daemon).status)
        self.assertEqual([f"localhost:{origin.port}"], origin.calls[0].fields.all("Host"))
        self.assertNotEqual(port, origin.port)

    def test_host_auto_follows_a_reload_that_writes_the_same_address_otherwise(self):
        origin = self.origin()
        auto = {"route": {"rewrite": {"host": "auto"}},
                "upstream": {"health_check": {"http": {"path": "/health"}, "interval": "200ms"}}}

        def hosts(path):
            return [call.fields.all("Host") for call in origin.calls if call.target == path]
        daemon = self.proxy(f"localhost:{origin.port}", **auto)
        self.eventually(lambda: hosts("/health"), "a check")
        daemon.write_config(self.config(origin, **auto))
        self.assertEqual(200, daemon.admin("POST", "/reload", {"X-Outrigger-Admin": "1"}).status)
        self.assertEqual(200, self.request(daemon, target="/x").status)
        self.assertEqual([[origin.address]], hosts("/x"))
        self.eventually(lambda: hosts("/health")[-1] == [origin.address], "a check's new Host")
        endpoint = daemon.admin_json("/upstreams")["upstreams"][0]["endpoints"][0]
        self.assertEqual(origin.address, endpoint["configured"])

    def test_host_auto_of_a_unix_socket_leaves_the_callers(self):
        origin = self.origin(unix_path=f"{self.directory}/s")
        daemon = self.proxy(origin, route={"rewrite": {"host": "auto"}})
        self.assertEqual(200, self.request(daemon).status)
        self.assertEqual(["test.local"], origin.calls[0].fields.all("Host"))

    def test_the_callers_host_is_told_where_forwarded_appends(self):
        call = self.seen({"host": "inner"}, "/x", listener={"forwarded": "append"})
        self.assertEqual(["inner"], call.fields.all("Host"))
        self.assertEqual(["test.local"], call.fields.all("X-Forwarded-Host"))
        call = self.seen({"host": "inner"}, "/x", listener={"forwarded": "pass"})
        self.assertEqual([], call.fields.all("X-Forwarded-Host"))

    def test_a_retry_is_rewritten_too(self):
        origin = self.origin(in_turn(closes, answers()))
        daemon = self.proxy(origin, route={"match": {"path_prefix": "/a"},
                                           "rewrite": {"path_prefix": "/b", "host": "inner"}})
        self.assertEqual(200, self.request(daemon, "GET", "/a/x").status)
        self.assertEqual(["/b/x", "/b/x"], [call.target for call in origin.calls])
        self.assertEqual([["inner"], ["inner"]], [call.fields.all("Host") for call in origin.calls])


class HeadersTest(Case):
    def test_requests_are_changed_remove_then_set_then_add(self):
        origin = self.origin()
        daemon = self.proxy(origin, route={"request_headers": {
            "set": {"X-Set": "new", "x-fresh": "1", "user-agent": "u"},
            "add": {"x-add": "second", "X-Set": "also"},
            "remove": ["x-gone", "Accept"]}})
        self.request(daemon, "GET", "/", [
            ("x-set", "old"), ("X-SET", "older"), ("x-add", "first"), ("X-Gone", "1"),
            ("x-gone", "2"), ("accept", "*/*"), ("x-stays", "s"), ("User-Agent", "curl")])
        fields = origin.calls[0].fields
        self.assertEqual(["new", "also"], fields.all("x-set"))
        self.assertEqual(["1"], fields.all("x-fresh"))
        self.assertEqual(["first", "second"], fields.all("x-add"))
        self.assertEqual([], fields.all("x-gone") + fields.all("accept"))
        self.assertEqual(["s"], fields.all("x-stays"))
        self.assertEqual(["u"], fields.all("user-agent"))

    def test_responses_are_changed_likewise(self):
        origin = self.origin(answers(200, b"ok", [
            ("Server", "secret"), ("X-Set", "old"), ("X-Add", "first"), ("X-Gone", "1")]))
        daemon = self.proxy(origin, route={"response_headers": {
            "set": {"x-set": "new"}, "add": {"X-Add": "second", "strict": "a; b"},
            "remove": ["server", "x-gone"]}})
        for method in ("GET", "HEAD"):
            fields = self.request(daemon, method).fields
            self.assertEqual(["new"], fields.all("x-set"))
            self.assertEqual(["first", "second"], fields.all("x-add"))
            self.assertEqual(["a; b"], fields.all("strict"))
            self.assertEqual([], fields.all("server") + fields.all("x-gone"))

    def test_local_replies_are_not_changed(self):
        daemon = self.proxy(free_address(), route={"response_headers": {"set": {"x-set": "1"}}})
        answer = self.request(daemon)
        self.assert_local(answer, 502, "connect-failure")
        self.assertNotIn("x-set", answer.fields)

    def test_variables_both_ways_and_the_attempt_of_a_retry(self):
        origin = self.origin(in_turn(closes, answers()))
        daemon = self.proxy(origin, route={
            "request_headers": {"set": {
                "x-all": "%{request_id}/%{client_ip}/%{upstream}/%{attempt}", "x-try": "%{attempt}"}},
            "response_headers": {"set": {"x-by": "%{upstream} at try %{attempt} of %{request_id}"}}})
        answer = self.request(daemon, "GET", "/", {"X-Request-Id": "my-id"})
        self.assertEqual(["1", "2"], [call.fields.get("x-try") for call in origin.calls])
        self.assertEqual(["my-id/127.0.0.1/u/1", "my-id/127.0.0.1/u/2"],
                         [call.fields.get("x-all") for call in origin.calls])
        self.assertEqual("u at try 2 of my-id", answer.fields.get("x-by"))

    def test_the_changes_have_the_last_word_on_what_the_proxy_adds(self):
        origin = self.origin()
        daemon = self.proxy(origin, listener={"forwarded": "append"}, route={
            "request_headers": {"remove": ["x-forwarded-for"],
                                "set": {"x-request-id": "mine", "X-Forwarded-Proto": "https"},
                                "add": {"x-forwarded-host": "more"}},
            "response_headers": {"remove": ["x-request-id"]}})
        answer = self.request(daemon, "GET", "/", {"X-Forwarded-For": "1.2.3.4"})
        fields = origin.calls[0].fields
        self.assertEqual([], fields.all("x-forwarded-for"))
        self.assertEqual(["mine"], fields.all("x-request-id"))
        self.assertEqual(["https"], fields.all("x-forwarded-proto"))
        self.assertEqual(["test.local", "more"], fields.all("x-forwarded-host"))
        self.assertEqual([], answer.fields.all("x-request-id"))

    def test_what_is_not_theirs_to_change_is_refused(self):
        for changes in ({"set": {"Host": "a"}}, {"remove": ["content-length"]},
                        {"add": {"connection": "close"}}, {"set": {"Transfer-Encoding": "x"}},
                        {"set": {"x-outrigger-attempt": "9"}}, {"set": {"a": "%{nonsense}"}},
                        {"set": {"a": "%{attempt"}}, {"set": {"a": "b\r\nc: d"}}):
            for side in ("request_headers", "response_headers"):
                status, _, error = self.check(self.config(free_address(), route={side: changes}))
                self.assertEqual(2, status, changes)
                self.assertIn(side, error)

    check = RewriteTest.check


class MirrorTest(Case):
    def mirrored(self, origin, shadow, route=None, upstream=None, percent=100, **more):
        return self.start({
            "shutdown": {"delay": "0s", "drain_timeout": "1s", "outbound": "immediate"},
            "listeners": [{"name": "main", "routes": [
                {"name": "r", "upstream": "u", "mirror": {"upstream": "shadow", "percent": percent},
                 **(route or {})}], **more}],
            "upstreams": {"u": {"endpoints": [origin.address]},
                          "shadow": {"endpoints": [getattr(shadow, "address", shadow)],
                                     **(upstream or {})}}})

    def test_a_copy_arrives_whole_and_its_answer_is_dropped(self):
        origin, shadow = self.origin(tells("real")), self.origin(answers(500, b"shadow" * 1000))
        daemon = self.mirrored(origin, shadow)
        body = bytes(range(256)) * 40
        answer = self.request(daemon, "POST", "/a?b", {"X-Field": "1"}, body)
        self.assertEqual("real", answer.text)
        shadow.wait_calls(1)
        call = shadow.calls[0]
        self.eventually(lambda: call._body == body, "the body at the mirror")
        self.assertEqual(("POST", "/a?b"), (call.method, call.target))
        self.assertEqual(["test.local"], call.fields.all("Host"))
        self.assertEqual(["1"], call.fields.all("X-Field"))
        self.assertEqual(origin.calls[0].fields.get("X-Request-Id"),
                         call.fields.get("X-Request-Id"))
        daemon.wait_metric("upstream_attempts_total", 1, upstream="shadow", **{"try": "first"},
                           outcome="5xx")
        daemon.wait_metric("requests_total", 1, code="200")
        self.assertEqual(0, daemon.metrics().value("requests_total", code="500"))

    def test_chunked_bodies_in_pieces_arrive_whole_too(self):
        origin, shadow = self.origin(tells("real")), self.origin()
        daemon = self.mirrored(origin, shadow)
        client = self.client(daemon)
        client.send_request("POST", "/", {"Transfer-Encoding": "chunked"})
        for piece in (b"first ", b"second ", b"third"):
            client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            origin.wait_calls(1)
        client.send(b"0\r\n\r\n")
        self.assertEqual("real", client.read_response("POST").text)
        shadow.wait_calls(1)
        self.eventually(lambda: shadow.calls[0]._body == b"first second third", "the body")

    def test_a_body_beyond_the_bound_is_not_mirrored_and_counted(self):
        origin, shadow = self.origin(tells("real")), self.origin()
        daemon = self.mirrored(origin, shadow)
        self.assertEqual("real", self.request(daemon, "POST", "/", (), b"x" * (64 * 1024 + 1)).text)
        chunked = self.client(daemon)
        chunked.send_request("POST", "/", {"Transfer-Encoding": "chunked"})
        for _ in range(3):
            chunked.send(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
        chunked.send(b"0\r\n\r\n")
        self.assertEqual("real", chunked.read_response("POST").text)
        daemon.wait_metric("mirrors_dropped_total", 2, route="r", cause="body-too-large")
        self.assertEqual("real", self.request(daemon, "POST", "/", (), b"x" * (64 * 1024)).text)
        shadow.wait_calls(1)
        self.eventually(lambda: len(shadow.calls[0]._body or b"") == 64 * 1024, "the third body")
        self.assertEqual(1, len(shadow.calls))

    def test_a_dead_mirror_is_not_noticed(self):
        origin = self.origin(tells("real"))
        daemon = self.mirrored(origin, free_address())
        client = self.client(daemon)
        for _ in range(10):
            self.assertEqual("real", client.request("GET", "/").text)
        daemon.wait_metric("upstream_attempts_total", 10, upstream="shadow",
                           outcome="connect-failure")
        self.assertEqual(10, daemon.metrics().value("upstream_attempts_total", upstream="u"))
        self.assertEqual(0, daemon.metrics().value("retries_total"))

    def test_a_mirror_that_hangs_delays_nobody_and_is_given_up(self):
        origin, shadow = self.origin(tells("real")), self.origin(hangs)
        daemon = self.mirrored(origin, shadow, route={"timeouts": {"request": "2s"}})
        client = self.client(daemon)
        for _ in range(10):
            self.assertEqual("real", client.request("GET", "/").text)
        shadow.wait_calls(10)
        daemon.wait_metric("upstream_attempts_total", 10, upstream="shadow", outcome="timeout")
        shadow.wait_open(0)
        daemon.wait_metric("upstream_requests_in_flight", 0, upstream="shadow")

    def test_its_bulkhead_is_its_own_and_it_never_queues(self):
        gate = self.gate()
        origin, shadow = self.origin(tells("real")), self.origin(waits_for(gate))
        daemon = self.mirrored(origin, shadow, upstream={"limits": {"max_requests": 1}})
        client = self.client(daemon)
        for _ in range(5):
            self.assertEqual("real", client.request("GET", "/").text)
        daemon.wait_metric("mirrors_dropped_total", 4, route="r", cause="refused")
        daemon.wait_metric("overflow_total", 4, upstream="shadow", limit="max_requests")
        self.assertEqual(0, daemon.metrics().value("overflow_total", upstream="u"))
        self.assertEqual(1, len(shadow.calls))

    def test_those_on_their_way_are_bounded(self):
        gate = self.gate()
        origin, shadow = self.origin(tells("real")), self.origin(waits_for(gate))
        daemon = self.mirrored(origin, shadow)
        client = self.client(daemon)
        for _ in range(140):
            self.assertEqual("real", client.request("GET", "/").text)
        daemon.wait_metric("mirrors_dropped_total", 12, route="r", cause="too-many")
        gate.set()
        daemon.wait_metric("upstream_attempts_total", 128, upstream="shadow", outcome="success")
        self.assertEqual("real", client.request("GET", "/").text)
        daemon.wait_metric("upstream_attempts_total", 129, upstream="shadow", outcome="success")

    def test_percent(self):
        origin, shadow = self.origin(tells("real")), self.origin()
        daemon = self.mirrored(origin, shadow, percent=20)
        client = self.client(daemon)
        for _ in range(500):
            client.request("GET", "/")
        shadow.wait_idle()
        self.assertTrue(within_binomial(len(shadow.calls), 500, 0.2), len(shadow.calls))

    def test_it_gets_what_the_route_changes(self):
        origin, shadow = self.origin(tells("real")), self.origin()
        daemon = self.mirrored(origin, shadow, route={
            "match": {"path_prefix": "/a"}, "rewrite": {"path_prefix": "/b", "host": "auto"},
            "request_headers": {"set": {"x-for": "%{upstream}"}}})
        self.assertEqual("real", self.request(daemon, "GET", "/a/x?y").text)
        shadow.wait_calls(1)
        self.assertEqual("/b/x?y", shadow.calls[0].target)
        self.assertEqual([shadow.address], shadow.calls[0].fields.all("Host"))
        self.assertEqual(["shadow"], shadow.calls[0].fields.all("x-for"))
        self.assertEqual(["u"], origin.calls[0].fields.all("x-for"))

    def test_it_outlives_its_request_a_reload_and_its_caller(self):
        gate = self.gate()
        origin, shadow = self.origin(tells("real")), self.origin(waits_for(gate))
        daemon = self.mirrored(origin, shadow)
        self.assertEqual("real", self.request(daemon).text)
        shadow.wait_calls(1)
        daemon.write_config(self.config(origin))  # the upstream `shadow` is gone
        daemon.signal(signal.SIGHUP)
        self.assertEqual("real", self.request(daemon).text)
        gate.set()
        shadow.wait_idle()
        self.assertEqual("real", self.request(daemon).text)

    def test_it_does_not_hold_up_the_end(self):
        origin, shadow = self.origin(tells("real")), self.origin(hangs)
        daemon = self.mirrored(origin, shadow)
        self.assertEqual("real", self.request(daemon).text)
        shadow.wait_calls(1)
        self.assertEqual(0, daemon.terminate())

    def test_a_caller_that_leaves_in_its_body_is_not_mirrored(self):
        origin, shadow = self.origin(tells("real")), self.origin()
        daemon = self.mirrored(origin, shadow)
        client = self.client(daemon)
        client.send_request("POST", "/", {"Content-Length": "100"})
        client.send(b"half")
        origin.wait_calls(1)
        client.close()
        daemon.wait_metric("requests_total", 1, code="499")
        self.assertEqual("real", self.request(daemon, "POST", "/", (), b"whole").text)
        shadow.wait_calls(1)
        self.eventually(lambda: shadow.calls[0]._body == b"whole", "the whole body")
