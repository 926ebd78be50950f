"""What a route does with a request beside sending it on: query matches, redirects, splits,
rewrites, header changes and mirrors, each by what callers and upstreams can see.
"""

import subprocess

from harness import Case


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
                ({"path": "/new"}, "http://test.local/new"),
                ({"scheme": "https", "host": "n.e", "path": "/n"}, "https://n.e/n")):
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
